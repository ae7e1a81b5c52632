"""Runs programs under `recorder.c` and reads its log: every change to the files below a directory, in the order in which they were made.

Knows the log's form and the shared memory's; must not know what the changes mean (`world`) or whether they are right (`judging`).
"""

import os
import select
import signal
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from tests.live.peers import demand
from tests.live.storage import run

_SOURCE = Path(__file__).with_name("recorder.c")
_RECORD = struct.Struct("=c3xiQQQQqIII4x")
#: changes, at, action, error, count
_SHARED = struct.Struct("=QQiii")
_SHARED_BYTES = 4096
_SECONDS = 60


class Action(IntEnum):
    """What the recorder does at a change of a given number, before the change: `enum action` of `recorder.c`."""

    RECORD = 0
    KILL_ALL = 1
    KILL_WRITER = 2
    KILL_FIRST = 3
    FAIL = 4


@dataclass(frozen=True, slots=True)
class Change:
    """One change; bytes and nanoseconds.

    `kind`: W(rite), Z (fallocate, with `flags`), T(runcate), S(ync), D (sync of a directory), C(reate), U(nlink), R(ename), L(ink).
    """

    kind: str
    pid: int
    inode: int
    offset: int
    length: int
    flags: int
    modified: int
    path: str
    other: str
    data: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rsplit("/", 1)[-1]

    def __str__(self) -> str:
        where = f" {self.offset:#x}+{self.length:#x}" if self.kind in "WZT" else ""
        return f"{self.kind} {self.name}{where}{' -> ' + self.other if self.other else ''}"


def compile_recorder(directory: Path) -> Path:
    """The library, made in `directory`."""
    demand("cc")
    library = directory / "recorder.so"
    run("cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, _SOURCE, "-ldl", "-pthread")
    return library


class Recorder:
    """Records what programs with its environment change below `root`. Everything of its own is in `directory`, on the same file system."""

    def __init__(self, library: Path, root: Path, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.root = root
        self.park = directory / "park"
        self.park.mkdir(exist_ok=True)
        self._library = library
        self._log = directory / "log"
        self._shared = directory / "shared"
        self.reset()

    def reset(self, action: Action = Action.RECORD, at: int = 0, error: int = 0) -> None:
        """Forget what was recorded; take `action` at change number `at`, counted from 1."""
        self._log.write_bytes(b"")
        self._shared.write_bytes(_SHARED.pack(0, at, action, error, 0).ljust(_SHARED_BYTES, b"\0"))

    @property
    def environment(self) -> dict[str, str]:
        """For the programs that are to be recorded, with their children."""
        return {
            **os.environ,
            "LD_PRELOAD": str(self._library),
            "RECORDER_ROOT": str(self.root),
            "RECORDER_LOG": str(self._log),
            "RECORDER_SHARED": str(self._shared),
            "RECORDER_PARK": str(self.park),
        }

    @property
    def count(self) -> int:
        """How many changes were begun."""
        return int(_SHARED.unpack_from(self._shared.read_bytes())[0])

    @property
    def pids(self) -> list[int]:
        """Of the programs, in the order in which they began."""
        data = self._shared.read_bytes()
        count = _SHARED.unpack_from(data)[4]
        return list(struct.unpack_from(f"={count}i", data, _SHARED.size))

    def living(self) -> list[int]:
        """Those of :attr:`pids` that have not ended."""
        return [pid for pid in self.pids if _lives(pid)]

    def wait(self) -> None:
        """Until every program has ended."""
        for pid in self.living():
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            try:
                ended, _, _ = select.select([descriptor], [], [], _SECONDS)
            finally:
                os.close(descriptor)
            assert ended, f"process {pid} lives on"

    def kill(self) -> None:
        """End every program that still runs."""
        for pid in self.living():
            os.kill(pid, signal.SIGKILL)

    def changes(self) -> list[Change]:
        """What the log holds."""
        return list(_parse(self._log.read_bytes()))


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _parse(log: bytes) -> Iterator[Change]:
    position = 0
    while position < len(log):
        kind, pid, inode, offset, length, flags, modified, *lengths = _RECORD.unpack_from(log, position)
        position += _RECORD.size
        parts = []
        for size in lengths:
            parts.append(log[position : position + size])
            position += size
        path, other, data = parts
        yield Change(
            kind.decode(), pid, inode, offset, length, flags, modified, os.fsdecode(path), os.fsdecode(other), data
        )
