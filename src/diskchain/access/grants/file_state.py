"""One file held open while its rights are read and written: every step goes to the inode that was checked.

The file is opened with O_PATH and used through ``/proc/self/fd``, so a name that is replaced meanwhile changes nothing.
Each method that changes something is one system call's worth of difference. Source: acl(5), xattr(7), chown(2).
"""

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from diskchain.access.grants.changes import CAPABILITY_XATTR, CONTENT_BITS, FileState
from diskchain.access.security.saved_labels import is_saved_label
from diskchain.access.security.selinux import SELINUX_XATTR
from diskchain.errors import StorageDenied, StorageError, StorageMissing, StorageTimeout
from diskchain.system.deadline import DEFAULT_DEADLINE, within
from diskchain.system.file_handle import file_handle
from diskchain.system.posix_acl import ACL_XATTR, encode, minimal
from diskchain.system.statx import statx

T = TypeVar("T")

_FS_IOC_GETVERSION: Final = 0x80087601
_GONE: Final = (errno.ENODATA, errno.EOPNOTSUPP)


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What tells a file from another that took its name. ``birth`` in nanoseconds since the epoch.

    ``birth`` and ``generation`` are None where the file system has none; ``handle`` finds the inode by itself, on the
    file system whose id is ``filesystem``.
    """

    device: int
    inode: int
    birth: int | None = None
    generation: int | None = None
    handle: bytes | None = None
    filesystem: int = 0

    def same(self, other: "FileIdentity", *, rebooted: bool = False) -> bool:
        """Whether both are one file. Device numbers may change over a reboot; then birth time has to vouch for it."""
        known = self.birth is not None and other.birth is not None
        devices = self.device == other.device or (rebooted and known)
        return (
            devices
            and self.inode == other.inode
            and self.birth == other.birth
            and (self.generation is None or other.generation is None or self.generation == other.generation)
        )


class RightsFile:
    """An open file whose rights are looked at and changed. Made by :func:`open_rights`.

    Every method may raise StorageTimeout; what was asked last may still happen then, and nothing after it.
    """

    def __init__(self, path: str, descriptor: int, seconds: float) -> None:
        self.path = path
        self._descriptor = descriptor
        self._seconds = seconds
        self.link = f"/proc/self/fd/{descriptor}"
        #: It gave no answer: a thread still waits at its descriptor, whose number must mean no other file.
        self.silent = False

    def ask(self, question: Callable[[], T]) -> T:
        """What ``question`` says, which uses ``link``. One change at most, lest a late answer is followed by others."""
        try:
            return within(self._seconds, self.path, question)
        except StorageTimeout:
            self.silent = True
            raise

    def identity(self) -> FileIdentity:
        """Which file this is."""
        return self.ask(self._identity)

    def _identity(self) -> FileIdentity:
        status = statx(self._descriptor)
        return FileIdentity(
            status.device,
            status.inode,
            status.birth,
            self._generation(),
            file_handle(self._descriptor),
            os.fstatvfs(self._descriptor).f_fsid,
        )

    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return self.ask(lambda: stat.S_ISDIR(os.fstat(self._descriptor).st_mode))

    def state(self) -> FileState:
        """Its rights as they are now."""
        return self.ask(self._state)

    def _state(self) -> FileState:
        status = os.fstat(self._descriptor)
        return FileState(
            uid=status.st_uid,
            gid=status.st_gid,
            mode=stat.S_IMODE(status.st_mode),
            acl=self._attribute(ACL_XATTR),
            xattrs=tuple((name, value) for name in self._names() if (value := self._attribute(name)) is not None),
            accessed=status.st_atime_ns,
            modified=status.st_mtime_ns,
        )

    def write(self, target: FileState, *, times: bool = False) -> None:
        """Makes the rights those of ``target``; ``times``: the times too. Does nothing where nothing differs.

        Permission bits and ACL change in one step, so no moment has more rights than before or after. Rights that the kernel ties
        to a file's content (setuid, setgid, capabilities) are taken away or left, never given: it may have another content by now.
        Raises StorageError; the file may then be half changed.
        """
        with _as_storage_error(self.path):
            now = self.state()
            if (now.uid, now.gid) != (target.uid, target.gid):
                self.ask(lambda: os.chown(self.link, target.uid, target.gid))
            self.ask(lambda: self._write_acl(target))
            self.ask(lambda: self._write_mode(target))
            self._write_attributes(target)
            if times and (now.accessed, now.modified) != (target.accessed, target.modified):
                self.ask(lambda: os.utime(self.link, ns=(target.accessed, target.modified)))

    def sync(self) -> None:
        """Waits until the changed rights are on the disk, as far as this process may ask for that."""
        self.ask(self._sync)

    def _sync(self) -> None:
        kind = os.fstat(self._descriptor).st_mode
        if stat.S_ISREG(kind) or stat.S_ISDIR(kind):
            with suppress(OSError):
                descriptor = os.open(self.link, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def _write_acl(self, target: FileState) -> None:
        if self._attribute(ACL_XATTR) == target.acl:
            return
        # Three entries without a mask are what mode bits say: the kernel stores them as mode bits and drops the ACL.
        value = encode(minimal(target.mode)) if target.acl is None else target.acl
        os.setxattr(self.link, ACL_XATTR, value)

    def _write_mode(self, target: FileState) -> None:
        status = os.fstat(self._descriptor).st_mode
        now, mode = stat.S_IMODE(status), target.mode
        if not stat.S_ISDIR(status):
            mode = mode & ~CONTENT_BITS | mode & now & CONTENT_BITS
        if now != mode:
            os.chmod(self.link, mode)

    def _write_attributes(self, target: FileState) -> None:
        wanted = dict(target.xattrs)
        for name in {*self.ask(self._names), *wanted} - ({CAPABILITY_XATTR} & wanted.keys()):
            self.ask(partial(self._write_attribute, name, wanted.get(name)))

    def _write_attribute(self, name: str, value: bytes | None) -> None:
        if self._attribute(name) == value:
            return
        if value is None:
            os.removexattr(self.link, name)
        else:
            os.setxattr(self.link, name, value)

    def _names(self) -> list[str]:
        try:
            names = os.listxattr(self.link)
        except OSError:
            return []
        ours = (SELINUX_XATTR, CAPABILITY_XATTR)
        return sorted(name for name in names if name in ours or is_saved_label(name))

    def _attribute(self, name: str) -> bytes | None:
        try:
            return os.getxattr(self.link, name)
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise

    def _generation(self) -> int | None:
        kind = os.fstat(self._descriptor).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            return None
        with suppress(OSError):
            descriptor = os.open(self.link, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                answer = fcntl.ioctl(descriptor, _FS_IOC_GETVERSION, bytes(8))
            finally:
                os.close(descriptor)
            return int(struct.unpack("l", answer)[0]) & 0xFFFFFFFF
        return None


@contextmanager
def open_rights(path: str, *, seconds: float = DEFAULT_DEADLINE) -> Iterator[RightsFile]:
    """The file at ``path``, which must not be a symlink, and has so many ``seconds`` for each answer.

    Raises StorageMissing, StorageDenied, StorageTimeout or StorageError.
    """
    with _as_storage_error(path):
        descriptor = within(seconds, path, lambda: os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC))
    file = RightsFile(path, descriptor, seconds)
    try:
        yield file
    finally:
        if not file.silent:
            os.close(descriptor)


@contextmanager
def _as_storage_error(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or "failed"
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise StorageMissing(reason, path=path) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise StorageDenied(reason, path=path) from error
        raise StorageError(reason, path=path) from error
