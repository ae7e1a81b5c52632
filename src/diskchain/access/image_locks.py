"""QEMU's image locks: which rights other processes use on a file, and which they keep others from using.

QEMU takes shared byte-range locks that belong to the open file (OFD locks): byte 100 + n says "I use right n", byte
200 + n says "I do not share right n". Asking takes no lock and disturbs nobody.
Source: QEMU ``block/file-posix.c`` (``RAW_LOCKQEMU_PERM_BASE``, ``RAW_LOCK_SHARED_BASE``) and ``include/block/block.h``.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

from diskchain.access.requirements import Access
from diskchain.qemu.process import domain_of
from diskchain.readers.local import QEMU_PERM_BASE
from diskchain.system.file_locks import is_locked

_SHARED_BASE: Final = 200
_BASES: Final = (QEMU_PERM_BASE, _SHARED_BASE)
_LOCK: Final = re.compile(r"^lock:.*OFDLCK.*:(\d+) (\d+) (\d+)$", re.MULTILINE)


class Right(IntEnum):
    """What QEMU calls permissions of a block node (``BLK_PERM_*``), by bit number."""

    CONSISTENT_READ = 0
    WRITE = 1
    WRITE_UNCHANGED = 2
    RESIZE = 3


_BYTES: Final = tuple(base + right for base in _BASES for right in Right)


@dataclass(frozen=True, slots=True)
class _Locked:
    """One descriptor of a process and the byte ranges locked through it. ``inode`` is the number alone, which several devices may have."""

    inode: int
    pid: int
    descriptor: str
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds image locks on a file. ``domain``: whose QEMU it is, None when it is none that libvirt started."""

    pid: int
    command: str
    domain: str | None = None

    def __str__(self) -> str:
        who = self.command if self.domain is None else f"domain {self.domain}"
        return f"{who} (process {self.pid})"


@dataclass(frozen=True, slots=True)
class ImageLocks:
    """The rights others use on a file and those they do not share. ``holders`` is empty where we may not look."""

    used: frozenset[Right] = frozenset()
    unshared: frozenset[Right] = frozenset()
    holders: tuple[Holder, ...] = ()

    @property
    def held(self) -> bool:
        """Whether any other process has the image open in QEMU's way."""
        return bool(self.used or self.unshared)

    @property
    def written(self) -> bool:
        """Whether another process may be writing to the image."""
        return Right.WRITE in self.used

    def conflict(self, access: Access, *, shared: bool = False) -> str | None:
        """Why QEMU would refuse to open the image with ``access``, None when it would not.

        ``shared``: the disk lets others write too (``share-rw``).
        """
        wanted = {Right.CONSISTENT_READ} | ({Right.WRITE, Right.RESIZE} if access is Access.WRITE else set())
        refused = sorted(wanted & self.unshared)
        if refused:
            return f"another process does not share {_words(refused)}"
        if not shared and self.written:
            return "another process is writing to it"
        return None


class LockHolders:
    """Which processes hold locks on which inodes, by one look through ``/proc`` when first asked; as it was then.

    Made for one answer about many files: a host has as many processes as files, and each process has to be looked at.
    """

    def __init__(self) -> None:
        self._by_inode: dict[int, list[_Locked]] | None = None

    def of(self, status: os.stat_result) -> dict[int, set[int]]:
        """The lock bytes of QEMU's that each process holds on an inode."""
        if self._by_inode is None:
            self._by_inode = {}
            for locked in _all_locked():
                self._by_inode.setdefault(locked.inode, []).append(locked)
        found: dict[int, set[int]] = {}
        for locked in self._by_inode.get(status.st_ino, ()):
            with suppress(OSError):  # closed meanwhile
                there = Path(f"/proc/{locked.pid}/fd/{locked.descriptor}").stat()
                if (there.st_ino, there.st_dev) == (status.st_ino, status.st_dev):
                    held = found.setdefault(locked.pid, set())
                    held |= {each for each in _BYTES if any(a <= each <= b for a, b in locked.ranges)}
        return {pid: held for pid, held in found.items() if held}


def _all_locked() -> Iterator[_Locked]:
    """The descriptors with locks that we may see. No file is asked about: it might never answer."""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with suppress(OSError):  # gone, or not ours to look at
            for info in (process / "fdinfo").iterdir():
                with suppress(OSError):
                    ranges: dict[int, list[tuple[int, int]]] = {}
                    for inode, first, last in _LOCK.findall(info.read_text()):
                        ranges.setdefault(int(inode), []).append((int(first), int(last)))
                    for number, each in ranges.items():
                        yield _Locked(number, int(process.name), info.name, tuple(each))


def image_locks(
    path: str, *, ignore: frozenset[int] = frozenset(), known: LockHolders | None = None
) -> ImageLocks | None:
    """The locks others hold on ``path`` (``/proc/self/fd/N`` will do). None when we may not open the file.

    ``ignore``: process ids that do not count, such as the QEMU the question is asked for; honoured as far as we may see
    whose locks they are. ``known``: who holds locks, if that was looked up already.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        locked = {offset for base in _BASES for right in Right if is_locked(descriptor, offset := base + right)}
        if not locked:
            return ImageLocks()
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    by_pid = (known or LockHolders()).of(status)
    explained = set().union(*by_pid.values()) if by_pid else set()
    counted = {pid: offsets for pid, offsets in by_pid.items() if pid not in ignore}
    offsets = (locked - explained).union(*counted.values())
    return ImageLocks(
        used=frozenset(right for right in Right if QEMU_PERM_BASE + right in offsets),
        unshared=frozenset(right for right in Right if _SHARED_BASE + right in offsets),
        holders=tuple(Holder(pid, _command(pid), domain_of(pid)) for pid in sorted(counted)),
    )


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "?"


def _words(rights: list[Right]) -> str:
    return " and ".join(right.name.lower().replace("_", " ") for right in rights)
