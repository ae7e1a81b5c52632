"""As whom a process runs, and what it has open. Knows ``/proc`` only; asks no file, which might never answer, unless its number fits.

Source: proc_pid_status(5), proc_pid_fdinfo(5), proc_pid_fd(5).
"""

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FILE_SYSTEM_ID: Final = 3  # of the four ids that ``Uid:`` and ``Gid:`` show
_HERTZ: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the kernel goes by when the process opens a file. ``capabilities``: the effective ones, as a mask."""

    uid: int
    gid: int
    groups: frozenset[int]
    capabilities: int


def credentials(pid: int) -> Credentials | None:
    """As whom process ``pid`` opens files; None when it is gone or we may not look."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        return Credentials(
            uid=int(fields["Uid"].split()[_FILE_SYSTEM_ID]),
            gid=int(fields["Gid"].split()[_FILE_SYSTEM_ID]),
            groups=frozenset(int(word) for word in fields["Groups"].split()),
            capabilities=int(fields["CapEff"], 16),
        )
    except (OSError, KeyError, ValueError, IndexError):
        return None


def open_files(pid: int, inodes: Collection[int]) -> dict[tuple[int, int], bool]:
    """The files that process ``pid`` has open among those with an inode number of ``inodes``, and all devices it has open.

    By device and inode, for a device file by -1 and the number of the device; the value says whether it may write. Empty when we
    may not look.
    """
    found: dict[tuple[int, int], bool] = {}
    for key, writable in _descriptors(Path(f"/proc/{pid}"), frozenset(inodes)):
        found[key] = found.get(key, False) or writable
    return found


def started_at(pid: int) -> float | None:
    """When process ``pid`` began, in seconds since the epoch, to about a second; None when nobody can tell."""
    from diskchain.system.process import holder_of

    holder = holder_of(pid)
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/stat").read_text().splitlines():
            if line.startswith("btime ") and holder is not None:
                return int(line.split()[1]) + holder.started / _HERTZ
    return None


def _descriptors(process: Path, inodes: frozenset[int]) -> Iterator[tuple[tuple[int, int], bool]]:
    try:
        entries = list((process / "fd").iterdir())
    except OSError:
        return
    for entry in entries:
        with suppress(OSError, KeyError, ValueError):  # closed meanwhile, or a kernel that shows less
            text = (process / "fdinfo" / entry.name).read_text(errors="replace")
            fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
            is_device = os.readlink(entry).startswith("/dev/")
            if not is_device and int(fields["ino"]) not in inodes:
                continue
            there = entry.stat()
            is_device = stat.S_ISBLK(there.st_mode) or stat.S_ISCHR(there.st_mode)
            key = (-1, there.st_rdev) if is_device else (there.st_dev, there.st_ino)
            yield key, int(fields["flags"], 8) & os.O_ACCMODE != os.O_RDONLY
