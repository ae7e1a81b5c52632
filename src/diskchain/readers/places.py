"""Where another host's paths lie here: a copy of its disks, opened as it would open them, and none of this host's own files instead.

A path that a header or a document stores is looked up where the longest prefix says (``--map OLD=NEW``), or below a directory that stands
for the other host's ``/`` (``--root DIR``). With such a root nothing outside it is opened: symlinks mean what they mean on the other host
(as openat2(2), RESOLVE_IN_ROOT, has it), and what is opened in the end is asked where it is.
"""

import os
from stat import S_IFLNK, S_IFMT
from typing import Final

from diskchain.errors import UsageError, printable

#: Symlinks followed on the way to one file, as the kernel does (MAXSYMLINKS).
_MOST_LINKS: Final = 40


class Places:
    """What is opened for which stored path. Immutable, but for the paths of this host that were named by a user: those stay."""

    __slots__ = ("_here", "_maps", "root")

    def __init__(self, maps: tuple[tuple[str, str], ...] = (), root: str | None = None) -> None:
        """``maps``: pairs of an absolute path there and one here. ``root``: the directory that is ``/`` there. Raises UsageError."""
        self.root = None if root is None else os.path.realpath(root)
        known = [(_tidy(old), os.path.abspath(new)) for old, new in maps]
        if self.root is not None:
            for _, new in known:
                if not is_below(os.path.realpath(new), self.root):
                    raise UsageError(
                        f"--map leads to {printable(new)}, and --root lets nothing outside {printable(self.root)} be opened"
                    )
            known.append(("/", self.root))
        self._maps = known
        self._here: set[str] = set()
        for old, _ in known:
            for other, new in known:
                if old == new and old != other:
                    raise UsageError(f"{printable(old)} is mapped, and is where {printable(other)} is mapped to")

    def keep(self, path: str) -> None:
        """Take ``path`` for one of this host: a user named it."""
        self._here.add(path)

    def is_named(self, path: str) -> bool:
        """Whether a user named this path of this host."""
        return path in self._here

    def here(self, path: str) -> str:
        """Where what is stored as ``path`` lies on this host, by its letters. What lies there by its own letters stays."""
        if path in self._here:
            return path
        if self.root is None and "/.." in path:  # with a root, opening resolves that as the other host would
            path = os.path.normpath(path)
        longest, found = "", path
        for old, new in self._maps:
            for prefix, instead in ((old, new), (new, new)):
                if len(prefix) > len(longest) and is_below(path, prefix):
                    longest, found = prefix, instead.rstrip("/") + path[len(prefix.rstrip("/")) :]
        return found

    def opened(self, path: str) -> str:
        """The file that is opened for ``path``; with a root, symlinks are followed inside it. Raises OSError for a loop of them."""
        found = self.here(path)
        return found if self.root is None or not is_below(found, self.root) else _inside(self.root, found)


def parsed_maps(words: "list[str] | tuple[str, ...]") -> tuple[tuple[str, str], ...]:
    """``OLD=NEW`` as pairs. Raises UsageError."""
    pairs = []
    for word in words:
        old, equals, new = word.partition("=")
        if not equals or not new or old[:1] != "/":
            raise UsageError(f"--map wants OLD=NEW, where OLD is an absolute path: {printable(word)}")
        pairs.append((old, new))
    return tuple(pairs)


def _tidy(path: str) -> str:
    return os.path.normpath(path)


def is_below(path: str, directory: str) -> bool:
    """Whether ``path`` is ``directory`` or lies in it, by its letters."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _inside(root: str, path: str) -> str:
    """``path``, which lies below ``root``, without symlinks: each leads where it would if ``root`` were ``/``."""
    left = [part for part in path[len(root) :].split("/") if part][::-1]
    done: list[str] = []
    links = 0
    while left:
        part = left.pop()
        if part == ".":
            continue
        if part == "..":
            done = done[:-1]
            continue
        place = "/".join([root.rstrip("/"), *done, part])
        target = _link(place)
        if target is None:
            done.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            return place
        if target[:1] == "/":
            done = []
        left += [each for each in target.split("/") if each][::-1]
    return "/".join([root.rstrip("/"), *done])


def _link(path: str) -> str | None:
    """Where the symlink at ``path`` leads; None: there is none."""
    try:
        return os.readlink(path) if S_IFMT(os.lstat(path).st_mode) == S_IFLNK else None
    except (OSError, ValueError):
        return None
