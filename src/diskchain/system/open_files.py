"""Who has a file open: processes by their descriptors, loop devices, mounts and device-mapper. Knows no image formats and no locks.

Sources: proc_pid_fd(5), proc_pid_fdinfo(5) (``ino`` since Linux 5.14), sysfs. An unprivileged user sees only processes of their own.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_SYS_BLOCK: Final = Path("/sys/block")


class OpenFiles:
    """The descriptors of all processes but this one, listed when first asked for and kept."""

    def __init__(self) -> None:
        self._by_inode: dict[int | None, list[tuple[int, str]]] | None = None
        self._loop_devices: list[tuple[str, str]] | None = None

    def holders(self, path: str) -> tuple[str, ...]:
        """Who has the file at ``path`` open, in words, such as ``qemu-img (process 12)``. Raises OSError."""
        status = os.stat(path)
        is_device = stat.S_ISBLK(status.st_mode)
        found = dict.fromkeys(self._processes(status, is_device=is_device))
        found.update(dict.fromkeys(_of_device(status.st_rdev) if is_device else self._loops(path)))
        return tuple(found)

    def _processes(self, status: os.stat_result, *, is_device: bool) -> Iterator[str]:
        listed = self._listed()
        # Several nodes can be of one device, so that the inode tells nothing.
        likely = [each for some in listed.values() for each in some] if is_device else listed.get(status.st_ino, [])
        for pid, entry in [*likely, *(() if is_device else listed.get(None, ()))]:
            with suppress(OSError):  # closed, or gone with its process
                if is_device and not os.readlink(entry).startswith("/dev/"):
                    continue
                there = os.stat(entry)
                same = there.st_rdev == status.st_rdev and stat.S_ISBLK(there.st_mode)
                if same if is_device else (there.st_dev, there.st_ino) == (status.st_dev, status.st_ino):
                    yield f"{_command(pid)} (process {pid})"

    def _loops(self, path: str) -> Iterator[str]:
        """Loop devices over a file."""
        if self._loop_devices is None:
            self._loop_devices = [*_loop_devices()]
        if self._loop_devices:
            real = os.path.realpath(path)
            yield from (device for device, file in self._loop_devices if file == real)

    def _listed(self) -> dict[int | None, list[tuple[int, str]]]:
        if self._by_inode is None:
            self._by_inode = {}
            for pid, entry, inode in _descriptors():
                self._by_inode.setdefault(inode, []).append((pid, entry))
        return self._by_inode


def _descriptors() -> Iterator[tuple[int, str, int | None]]:
    """Process, link and inode of every descriptor. No file is asked: on a server that is gone it would not answer."""
    for process in _PROC.iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            names = os.listdir(process / "fd")
        except OSError:
            continue
        for name in names:
            with suppress(OSError):
                lines = (process / "fdinfo" / name).read_text().splitlines()
                inode = next((int(line[4:]) for line in lines if line.startswith("ino:")), None)
                yield int(process.name), f"{process}/fd/{name}", inode


def _command(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return "?"


def _loop_devices() -> Iterator[tuple[str, str]]:
    """Every loop device, in words, and the real path of the file it is over."""
    for backing in _SYS_BLOCK.glob("loop*/loop/backing_file"):
        with suppress(OSError):
            yield f"the loop device /dev/{backing.parts[-3]}", os.path.realpath(backing.read_text().rstrip("\n"))


def _of_device(device: int) -> Iterator[str]:
    """What of the kernel's own uses a block device: other devices over it, a file system."""
    number = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError):
        for name in os.listdir(f"/sys/dev/block/{number}/holders"):
            yield f"the device {name} over it"
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
            if line.split()[2] == number:
                yield "a mounted file system"
                return
