"""QEMU's image locks: which rights other processes use on a file, and which they keep others from using.

QEMU takes shared byte-range locks that belong to the open file (OFD locks): byte 100 + n says "I use right n", byte
200 + n says "I do not share right n". Asking takes no lock and disturbs nobody.
Source: QEMU ``block/file-posix.c`` (``RAW_LOCKQEMU_PERM_BASE``, ``RAW_LOCK_SHARED_BASE``) and ``include/block/block.h``.
"""

import os
import re
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


class Right(IntEnum):
    """What QEMU calls permissions of a block node (``BLK_PERM_*``), by bit number."""

    CONSISTENT_READ = 0
    WRITE = 1
    WRITE_UNCHANGED = 2
    RESIZE = 3


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


def image_locks(path: str, *, ignore: frozenset[int] = frozenset()) -> ImageLocks | None:
    """The locks others hold on ``path`` (``/proc/self/fd/N`` will do). None when we may not open the file.

    ``ignore``: process ids that do not count, such as the QEMU the question is asked for; honoured as far as we may see
    whose locks they are.
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
    by_pid = _locked_by(status)
    explained = set().union(*by_pid.values()) if by_pid else set()
    counted = {pid: offsets for pid, offsets in by_pid.items() if pid not in ignore}
    offsets = (locked - explained).union(*counted.values())
    return ImageLocks(
        used=frozenset(right for right in Right if QEMU_PERM_BASE + right in offsets),
        unshared=frozenset(right for right in Right if _SHARED_BASE + right in offsets),
        holders=tuple(Holder(pid, _command(pid), domain_of(pid)) for pid in sorted(counted)),
    )


def _locked_by(status: os.stat_result) -> dict[int, set[int]]:
    """The lock bytes each process holds on an inode, by what ``/proc/PID/fdinfo`` shows us."""
    line = re.compile(rf"^lock:.*OFDLCK.*:{status.st_ino} (\d+) (\d+)$", re.MULTILINE)
    bytes_of_interest = [base + right for base in _BASES for right in Right]
    found: dict[int, set[int]] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            ranges = [
                (int(a), int(b)) for text in _descriptor_infos(process, status, line) for a, b in line.findall(text)
            ]
            held = {offset for offset in bytes_of_interest if any(a <= offset <= b for a, b in ranges)}
            if held:
                found[int(process.name)] = held
    return found


def _descriptor_infos(process: Path, status: os.stat_result, line: re.Pattern[str]) -> list[str]:
    """Of the descriptors of one file that have a ``line`` of it. No other is asked for its file: that might never answer."""
    texts: list[str] = []
    try:
        entries = list((process / "fd").iterdir())
    except OSError:
        return texts
    for entry in entries:
        with suppress(OSError):  # closed, or gone with its process, while we look
            text = (process / "fdinfo" / entry.name).read_text()
            if line.search(text):
                there = entry.stat()
                if (there.st_ino, there.st_dev) == (status.st_ino, status.st_dev):
                    texts.append(text)
    return texts


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "?"


def _words(rights: list[Right]) -> str:
    return " and ".join(right.name.lower().replace("_", " ") for right in rights)
