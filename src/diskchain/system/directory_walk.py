"""Every name below a directory, whatever is there: nothing that cannot be read, and no loop, ends the walk.

Symlinks are told of and never followed. A directory that is mounted twice is walked through once. Kernel file systems that hold no
files of anybody's (``/proc``, ``/sys`` …) are left out. Opens directories alone, each within a deadline. Knows no disks.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from stat import S_IFBLK, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG
from typing import Final, Literal

from diskchain.errors import StorageError
from diskchain.system.deadline import DEFAULT_DEADLINE, within
from diskchain.system.mounts import read_mounts
from diskchain.system.paths import absolute_path

Kind = Literal["file", "device", "special", "symlink", "mount", "unread"]

#: File systems that are the kernel's own.
_KERNEL: Final = frozenset(
    {
        "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "efivarfs", "fusectl", "mqueue", "nsfs",
        "proc", "pstore", "securityfs", "selinuxfs", "sysfs", "tracefs",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One name.

    ``kind``: ``device`` is a block device, ``special`` what is neither file nor directory nor link; ``mount`` a directory of another file
    system that was left out; ``unread`` a directory that cannot be read, for the reason ``error``.
    """

    path: str
    kind: Kind
    error: OSError | StorageError | None = None


@dataclass(frozen=True, slots=True)
class _Named:
    """What is known of a name from its directory. ``mode``: type bits alone. ``device``: of a directory."""

    path: str
    mode: int
    device: int | None = None


def walk(top: str, *, one_file_system: bool = False, seconds: float = DEFAULT_DEADLINE) -> Iterator[Entry]:
    """What is below the directory ``top``, in the order of names, a directory's files before its directories. Never raises.

    ``one_file_system``: directories of others are not walked through. ``seconds``: for each directory.
    """
    kernel = _kernel_mounts()
    device: int | None = None
    seen: set[tuple[int, int]] = set()
    left = [top]
    while left:
        path = left.pop()
        try:
            place, names = within(seconds, path, partial(_read, path))
        except (OSError, StorageError) as error:
            yield Entry(path, "unread", error)
            continue
        device = place[0] if device is None else device
        if place in seen:
            continue
        seen.add(place)
        inner = []
        for named in names:
            if named.mode != S_IFDIR:
                yield Entry(named.path, _kind(named.mode))
            elif _is_left_out(named, place[0], kernel) or (one_file_system and named.device not in (None, device)):
                yield Entry(named.path, "mount")
            else:
                inner.append(named.path)
        left += reversed(inner)


def _is_left_out(named: _Named, above: int, kernel: frozenset[str]) -> bool:
    return named.device not in (None, above) and absolute_path(named.path) in kernel


def _kernel_mounts() -> frozenset[str]:
    return frozenset(mount.point for mount in read_mounts().values() if mount.fstype in _KERNEL)


def _read(path: str) -> tuple[tuple[int, int], list[_Named]]:
    """Where a directory is, and its names in order."""
    stat = os.stat(path)
    with os.scandir(path) as entries:
        names = [_named(path, entry) for entry in entries]
    names.sort(key=attrgetter("path"))
    return (stat.st_dev, stat.st_ino), names


def _named(directory: str, entry: "os.DirEntry[str]") -> _Named:
    path = f"{directory.rstrip('/')}/{entry.name}"
    try:
        if entry.is_symlink():
            return _Named(path, S_IFLNK)
        if entry.is_file(follow_symlinks=False):
            return _Named(path, S_IFREG)
        stat = entry.stat(follow_symlinks=False)
    except OSError:  # it went meanwhile, or its file system does not say: whoever opens it will know
        return _Named(path, S_IFREG)
    return _Named(path, S_IFMT(stat.st_mode), stat.st_dev)


def _kind(mode: int) -> Kind:
    if mode == S_IFREG:
        return "file"
    if mode == S_IFLNK:
        return "symlink"
    return "device" if mode == S_IFBLK else "special"
