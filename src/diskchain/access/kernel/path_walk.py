"""Looks at what is there: walks a path step by step, as the kernel would, and notes every inode on the way.

Opens nothing for reading (O_PATH only) and follows no symlink by itself, so looking has no effect on what is looked at.
Source: path_resolution(7), open(2) on O_PATH.
"""

import errno
import os
import stat
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from diskchain.access.kernel.path_facts import End, Follow, Inode, Kind, PathFacts, Search, Step
from diskchain.errors import ParseError
from diskchain.system.mounts import Mount, read_mounts
from diskchain.system.posix_acl import ACL_XATTR, Acl, decode
from diskchain.system.statx import statx

#: MAXSYMLINKS: the kernel gives up after this many.
_MAX_SYMLINKS: Final = 40
_PATH_MAX: Final = 4096
_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS: Final = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
    stat.S_IFLNK: Kind.SYMLINK,
}
_ENDS: Final = {
    errno.ENOENT: End.MISSING,
    errno.ENOTDIR: End.NOT_A_DIRECTORY,
    errno.ELOOP: End.LOOP,
    errno.ENAMETOOLONG: End.TOO_LONG,
    errno.EACCES: End.HIDDEN,
    errno.EPERM: End.HIDDEN,
}


def walk_path(path: str, mounts: dict[int, Mount] | None = None) -> PathFacts:
    """The facts along ``path`` as they are now; a relative path starts at the working directory.

    Never raises for what it finds: a walk that ends early says so. ``mounts`` saves reading the table again.
    """
    if "\0" in path:
        return PathFacts(path, end=End.MISSING)
    whole = path if path.startswith("/") else f"{os.getcwd()}/{path}"
    with ExitStack() as stack:
        return _Walk(path, whole, read_mounts() if mounts is None else mounts, stack).run()


def inode_of(descriptor: int, path: str, mounts: dict[int, Mount]) -> Inode:
    """What there is behind an open descriptor (O_PATH will do). Raises OSError."""
    status = statx(descriptor)
    kind = _KINDS.get(stat.S_IFMT(status.mode), Kind.CHARACTER)
    acl, supported, hidden = (None, True, False) if kind is Kind.SYMLINK else _acl_of(descriptor)
    return Inode(
        path=path,
        kind=kind,
        device=status.device,
        number=status.inode,
        uid=status.uid,
        gid=status.gid,
        mode=stat.S_IMODE(status.mode),
        acl=acl,
        acl_supported=supported,
        acl_hidden=hidden,
        immutable=status.immutable,
        append=status.append,
        mount=mounts.get(status.mount_id) if status.mount_id is not None else None,
        birth=status.birth,
        size=status.size,
        rdev=status.rdev,
    )


def _acl_of(descriptor: int) -> tuple[Acl | None, bool, bool]:
    """The ACL, whether the file could have one, and whether nobody can tell: without /proc there is no way to ask."""
    try:
        return decode(os.getxattr(f"/proc/self/fd/{descriptor}", ACL_XATTR)), True, False
    except ParseError:
        return None, True, True
    except OSError as error:
        supported = error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS)
        return None, supported, supported and error.errno != errno.ENODATA


def _protected_symlinks() -> bool | None:
    with suppress(OSError):
        return Path("/proc/sys/fs/protected_symlinks").read_text().strip() != "0"
    return None


class _Walk:
    """One walk. Keeps the descriptor of the directory it stands in, and the path without symlinks it came by."""

    def __init__(self, path: str, whole: str, mounts: dict[int, Mount], stack: ExitStack) -> None:
        self._path = path
        self._mounts = mounts
        self._stack = stack
        self._whole = whole
        # The names still to look up; None marks the end of a nested symlink's target.
        self._names: deque[str] = deque()
        self._steps: list[Step] = []
        self._links = 0
        self._root = self._adopt(os.open("/", _LOOK))
        self._here, self._here_path = self._root, "/"

    def run(self) -> PathFacts:
        if len(os.fsencode(self._whole)) >= _PATH_MAX:
            return self._finish(None, End.TOO_LONG, None)
        self._push(self._whole)
        at = "/"
        try:
            while self._names:
                name = self._names.popleft()
                at = self._join(name)
                last = not any(self._names)
                file = self._enter(name, last=last and not self._names, last_name=last)
                if file is not None:
                    return self._finish(file, None, None)
            return self._finish(inode_of(self._here, self._here_path, self._mounts), None, None)
        except OSError as error:
            end = _ENDS.get(error.errno or 0, End.FAILED)
            facts = self._finish(None, end, at)
            return replace(facts, creatable=end is End.MISSING and not self._names)

    def _enter(self, name: str, *, last: bool, last_name: bool) -> Inode | None:
        """Looks ``name`` up where the walk stands. Gives the file when the walk is over, else moves on."""
        directory = inode_of(self._here, self._here_path, self._mounts)
        if directory.kind is not Kind.DIRECTORY:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not name:
            return None
        self._steps.append(Search(directory))
        if name == ".":
            return None
        descriptor = self._adopt(os.open(name, _LOOK, dir_fd=self._here))
        path = self._join(name)
        inode = inode_of(descriptor, path, self._mounts)
        if inode.kind is Kind.SYMLINK:
            self._follow(inode, directory, descriptor, last=last_name)
            return None
        if last and inode.kind is not Kind.DIRECTORY:
            return inode
        self._here, self._here_path = descriptor, path
        return None

    def _follow(self, link: Inode, directory: Inode, descriptor: int, *, last: bool) -> None:
        self._links += 1
        if self._links > _MAX_SYMLINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = os.readlink("", dir_fd=descriptor)
        self._steps.append(Follow(link, directory, target, last))
        self._push(target)

    def _push(self, path: str) -> None:
        """Puts the components of ``path`` before what is left. An empty last one stands for a trailing slash."""
        if path.startswith("/"):
            self._here, self._here_path = self._root, "/"
        names = [name for name in path.split("/") if name]
        if names and path.endswith("/"):
            names.append("")
        self._names.extendleft(reversed(names))

    def _join(self, name: str) -> str:
        if name in ("", "."):
            return self._here_path
        if name == "..":
            return os.path.dirname(self._here_path)
        return f"{self._here_path.rstrip('/')}/{name}"

    def _adopt(self, descriptor: int) -> int:
        self._stack.callback(os.close, descriptor)
        return descriptor

    def _finish(self, file: Inode | None, end: End | None, stopped_at: str | None) -> PathFacts:
        return PathFacts(self._path, tuple(self._steps), file, end, stopped_at, _protected_symlinks())
