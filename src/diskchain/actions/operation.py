"""An operation as a user names it, by the names of layers, and what it is on a chain once that is known. Pure but for resolving paths."""

import os
from dataclasses import dataclass
from typing import Final

from diskchain.actions.select_layer import position_of
from diskchain.errors import UsageError
from diskchain.storage.location import FileLocation
from diskchain.storage.operation import Backup, Commit, Copy, Operation, Pull, Rebase, Snapshot, Start
from diskchain.storage.source import TERMINATOR, UNKNOWN, Source
from diskchain.system.deadline import DEFAULT_DEADLINE

#: What each operation takes besides its name.
TAKES: Final[dict[str, tuple[str, ...]]] = {
    "start": (),
    "commit": ("base", "top", "offline"),
    "pull": ("base",),
    "copy": ("to", "shallow", "reuse"),
    "snapshot": ("to", "reuse"),
    "backup": ("to", "reuse"),
    "rebase": ("layer", "backing", "unsafe"),
}


#: Everything that any of them takes.
DETAILS: Final = ("base", "top", "layer", "to", "backing", "offline", "shallow", "unsafe", "reuse")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done. ``kind``: a word of :data:`~diskchain.storage.operation.OPERATIONS`.

    ``base``, ``top`` and ``layer`` name layers (a position, ``vda[2]``, or a path), ``to`` and ``backing`` files. ``reuse``: the
    file ``to`` is there already.
    """

    kind: str = "start"
    base: str | None = None
    top: str | None = None
    layer: str | None = None
    to: str | None = None
    backing: str | None = None
    offline: bool = False
    shallow: bool = False
    unsafe: bool = False
    reuse: bool = False

    def on(self, disk: str, chain: Source, seconds: float = DEFAULT_DEADLINE) -> Operation:
        """The operation on this chain of ``disk``. Raises UsageError for what does not go together, and for unknown layers."""
        given = [name for name in DETAILS if getattr(self, name)]
        for name in given:
            if name not in TAKES[self.kind]:
                raise UsageError(f"--{name} does not go with --for {self.kind}")

        def position(name: str | None) -> int | None:
            if name is None:
                return None
            is_number = name.isascii() and name.isdigit()
            return position_of(disk, chain, f"{disk}:{int(name)}" if is_number else name, seconds)

        if self.kind == "commit":
            return Commit(position(self.base), position(self.top) or 0, online=not self.offline)
        if self.kind == "pull":
            return Pull(position(self.base))
        if self.kind == "copy":
            return Copy(self._new_file(), shallow=self.shallow, reuse=self.reuse)
        if self.kind == "snapshot":
            return Snapshot(self._new_file(), reuse=self.reuse)
        if self.kind == "backup":
            return Backup(self._new_file(), reuse=self.reuse)
        if self.kind == "rebase":
            backing = None if self.backing is None else _file(self.backing)
            return Rebase(position(self.layer) or 0, backing, unsafe=self.unsafe)
        return Start()

    def words(self) -> str:
        """The operation and its layers in words: two commits of one disk into different layers are two grants."""
        parts = [
            f"{name} {value}" for name in ("top", "base", "layer", "to") if (value := getattr(self, name)) is not None
        ]
        return " ".join([self.kind, *parts])

    def _new_file(self) -> Source:
        if self.to is None:
            raise UsageError(f"--for {self.kind} needs --to PATH: the file it makes")
        return _file(self.to)._replace(backing=TERMINATOR)


#: The domain starts, or simply runs.
START: Final = Wanted()


def _file(path: str) -> Source:
    return Source(FileLocation(os.path.abspath(path)), backing=UNKNOWN)
