"""The files below a directory as values in memory, and what becomes of them, change by change: by a kill and by a loss of power.

A kill at some instant leaves all changes up to it (the kernel has them). A loss of power leaves what was synced, and of the rest any part;
some of these parts are tried. Must not know what the files hold.

Not tried: a name that is on the disk while an older one is not (file systems with a log keep the order of names).
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Self

from tests.jobs.recorder.recording import Change

_KEEP_SIZE, _PUNCH_HOLE, _ZERO_RANGE = 0x01, 0x02, 0x10
_SECTOR = 512
_DATA = "WZT"
_NAMES = "CURL"


@dataclass(slots=True)
class World:
    """`names`: paths to inodes; `content` by inode; `modified`, in nanoseconds since the epoch, by inode, where a change set it."""

    names: dict[str, int] = field(default_factory=dict)
    content: dict[int, bytearray] = field(default_factory=dict)
    modified: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path) -> Self:
        """All regular files below `root` as they are."""
        world = cls()
        for path in sorted(root.rglob("*")):
            if path.is_file() and not path.is_symlink():
                status = path.stat()
                world.names[str(path)] = status.st_ino
                world.content[status.st_ino] = bytearray(path.read_bytes())
                world.modified[status.st_ino] = status.st_mtime_ns
        return world

    def copy(self) -> "World":
        return World(
            dict(self.names), {inode: bytearray(data) for inode, data in self.content.items()}, dict(self.modified)
        )

    def read(self, path: str | Path) -> bytearray:
        """The content of the file `path`; raises KeyError when there is none."""
        return self.content[self.names[str(path)]]

    def apply(self, change: Change, *, torn: int | None = None) -> None:
        """Make `change`; of a write only the first `torn` bytes, where that is given."""
        if change.kind in _NAMES:
            self._rename(change)
        elif change.kind in _DATA and change.inode in self.content:
            self._change(change, torn)
            self.modified[change.inode] = change.modified

    def _rename(self, change: Change) -> None:
        match change.kind:
            case "C":
                self.names[change.path] = change.inode
                self.content[change.inode] = bytearray()
                self.modified[change.inode] = change.modified
            case "U":
                self.names.pop(change.path, None)
            case "R":
                if change.path in self.names:
                    self.names[change.other] = self.names.pop(change.path)
            case "L":
                self.names[change.other] = change.inode

    def _change(self, change: Change, torn: int | None) -> None:
        content = self.content[change.inode]
        if change.kind == "T":
            del content[change.length :]
            content.extend(bytes(change.length - len(content)))
            return
        end = change.offset + change.length
        if change.kind == "W":
            data = change.data[:torn]
            content.extend(bytes(max(0, change.offset - len(content))))
            content[change.offset : change.offset + len(data)] = data
        else:
            if not change.flags & _KEEP_SIZE:
                content.extend(bytes(max(0, end - len(content))))
            if change.flags & (_PUNCH_HOLE | _ZERO_RANGE):
                end = min(end, len(content))
                content[change.offset : end] = bytes(max(0, end - change.offset))

    def restore(self, root: Path, park: Path) -> None:
        """Make the files below `root` be these, each as the inode that it was: no inode number is lost, what has no name is in `park`."""
        for path in sorted(root.rglob("*")):
            if path.is_file() and not path.is_symlink():
                _park(path, park)
        for path_name, inode in self.names.items():
            path = Path(path_name)
            path.parent.mkdir(parents=True, exist_ok=True)
            kept = park / str(inode)
            if kept.exists():
                kept.rename(path)
            else:  # a second name of one file
                os.link(next(name for name, other in self.names.items() if other == inode), path)
            _write(path, self.content[inode])
            os.utime(path, ns=(self.modified[inode], self.modified[inode]))


def _park(path: Path, park: Path) -> None:
    kept = park / str(path.stat().st_ino)
    if kept.exists():
        path.unlink()
    else:
        path.rename(kept)


def _write(path: Path, content: bytearray) -> None:
    with path.open("r+b") as stream:
        stream.truncate(0)
        block = 1 << 16
        for start in range(0, len(content), block):
            part = content[start : start + block]
            if part.count(0) != len(part):  # as sparse as it was, nearly
                stream.seek(start)
                stream.write(part)
        stream.truncate(len(content))


@dataclass(frozen=True, slots=True)
class Instant:
    """A state that may be found after the first `done` changes. `loss`: "" after a kill, else what of the unsynced changes was lost."""

    done: int
    loss: str
    make: Callable[[], World] = field(repr=False)

    @property
    def world(self) -> World:
        """The files. To be asked for before the next instant is."""
        return self.make()


def kills(start: World, changes: list[Change]) -> Iterator[Instant]:
    """The state after each change, the one before the first included."""
    world = start.copy()
    yield Instant(0, "", lambda: world)
    for done, change in enumerate(changes, 1):
        world.apply(change)
        if change.kind not in "SD":
            yield Instant(done, "", lambda: world)


def power_losses(start: World, changes: list[Change], seed: int = 1, only: range | None = None) -> Iterator[Instant]:
    """After each change (of `only` these) what may be left of it and the unsynced ones before it.

    None of them; the last one alone; all, the last one torn; those to first clusters alone; two random halves. Names that were given or taken
    since their directory was synced are there in none, or in all.
    """
    random = Random(seed)  # noqa: S311 (nothing secret)
    durable, unsynced = start.copy(), list[Change]()
    for done, change in enumerate(changes, 1):
        if change.kind in "SD":
            unsynced = _sync(durable, unsynced, change)
            continue
        unsynced.append(change)
        if only is None or done in only:
            for loss, kept in _samples(unsynced, random):
                torn = _torn(change, random) if loss == "torn" else None
                yield Instant(done, loss, partial(_made, durable, kept, change, torn))


def _made(durable: World, kept: list[Change], last: Change, torn: int | None) -> World:
    world = durable.copy()
    for each in kept:
        world.apply(each, torn=torn if each is last else None)
    return world


def _sync(durable: World, unsynced: list[Change], sync: Change) -> list[Change]:
    """Make durable what `sync` says; the rest is returned. A file that was made is there once it is synced, as with ext4 and XFS."""
    left = []
    for change in unsynced:
        if sync.kind == "S":
            its = change.inode == sync.inode and change.kind in "WZTC"
        else:
            its = change.kind in _NAMES and sync.path in {_directory(change.path), _directory(change.other)}
        if its:
            durable.apply(change)
        else:
            left.append(change)
    return left


def _directory(path: str) -> str:
    return path.rpartition("/")[0]


def _torn(change: Change, random: Random) -> int | None:
    if change.kind != "W" or change.length <= _SECTOR:
        return None
    # Most of a first cluster is empty: what tears is at its head.
    sectors = change.length // _SECTOR if change.offset else min(4, change.length // _SECTOR)
    return random.randrange(1, max(2, sectors)) * _SECTOR


def _samples(unsynced: list[Change], random: Random) -> Iterator[tuple[str, list[Change]]]:
    names = [change for change in unsynced if change.kind in _NAMES]
    data = [change for change in unsynced if change.kind in _DATA]
    yield "all", []
    if names:
        yield "data", names
    if not data:
        return
    yield "all but the last", [*names, data[-1]]
    if unsynced[-1].kind == "W" and unsynced[-1].length > _SECTOR:
        yield "torn", unsynced
    if len(data) > 1:
        yield "all but headers", [change for change in unsynced if change in names or not change.offset]
        for which in ("one half", "another half"):
            chosen = {id(change) for change in data if random.random() < 0.5}
            yield which, [change for change in unsynced if change in names or id(change) in chosen]
