"""The mounts this process sees. Knows ``/proc/self/mountinfo`` and nothing else. Source: proc_pid_mountinfo(5)."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_MOUNTINFO: Final = "/proc/self/mountinfo"
#: Columns left and right of the dash.
_POINT: Final = 4
_OPTIONS: Final = 5
_SUPER_OPTIONS: Final = 2
#: Octal digits after a backslash: how the characters are written that would break the table's columns.
_ESCAPE: Final = 3


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount. ``options`` are those of the mount itself, ``super_options`` those of its file system."""

    point: str
    fstype: str
    source: str = ""
    options: frozenset[str] = frozenset()
    super_options: frozenset[str] = frozenset()


def read_mounts(table: str | os.PathLike[str] = _MOUNTINFO) -> dict[int, Mount]:
    """Every mount by its id; empty when the table cannot be read, as without /proc."""
    return parse_mounts(_text(table))


def parse_mounts(text: str) -> dict[int, Mount]:
    """The mounts in the text of a mountinfo table. Lines that make no sense are left out."""
    mounts = {}
    for left, kinds in _lines(text):
        if len(kinds) <= _SUPER_OPTIONS or not (left[0].isascii() and left[0].isdigit()):
            continue
        mounts[int(left[0])] = Mount(
            point=unescape(left[_POINT]),
            fstype=kinds[0],
            source=unescape(kinds[1]),
            options=frozenset(left[_OPTIONS].split(",")),
            super_options=frozenset(kinds[_SUPER_OPTIONS].split(",")),
        )
    return mounts


def mount_point(path: str, points: frozenset[str] | None = None) -> str:
    """The mount that ``path`` is on, by its letters: asking the file system could take without end. ``/`` where none is known.

    ``points``: those of :func:`mount_points`, if they are at hand.
    """
    points = mount_points() if points is None else points
    try:
        place = os.path.abspath(path)
    except OSError:  # the working directory is gone
        return "/"
    while place != "/" and place not in points:
        place = place[: place.rindex("/")] or "/"
    return place


def is_mount_point(path: str) -> bool:
    """Whether something is mounted at ``path``, which is absolute and without symlinks."""
    return path in mount_points()


def mount_points() -> frozenset[str]:
    """Where something is mounted; empty when that cannot be told."""
    return frozenset(unescape(left[_POINT]) for left, _ in _lines(_text(_MOUNTINFO)))


def _text(table: str | os.PathLike[str]) -> str:
    try:
        with open(table, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            return file.read()
    except OSError:
        return ""


def _lines(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """The columns left and right of the dash. A path may hold any character but those that are escaped, other blanks among them."""
    for line in text.split("\n"):
        left, separator, right = line.partition(" - ")
        columns = left.split(" ")
        if separator and len(columns) > _OPTIONS:
            yield columns, right.split(" ")


def unescape(column: str) -> str:
    """A column of mountinfo or fstab(5) as the text it stands for."""
    plain, *escaped = column.split("\\")
    for each in escaped:
        digits, rest = each[:_ESCAPE], each[_ESCAPE:]
        try:
            plain += chr(int(digits, 8)) + rest
        except ValueError:
            plain += "\\" + each
    return plain


def is_fuse(mount: Mount) -> bool:
    """Whether a program answers for the file system."""
    return mount.fstype in ("fuse", "fuseblk") or mount.fstype.startswith("fuse.")
