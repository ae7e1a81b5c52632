"""Which layer holds which bytes of a disk: the maps of a target's disks, and who answers for a byte."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from diskchain.actions.examined import DEFAULT, DiskChain, Examined, Settings
from diskchain.actions.layer_opener import opener_of
from diskchain.actions.select_layer import selected
from diskchain.allocation import need_numpy
from diskchain.allocation.answers import Run
from diskchain.discover import BackingChain
from diskchain.errors import DiskchainError, UsageError, printable
from diskchain.findings import Finding, about
from diskchain.storage.location import describe_location, local_path
from diskchain.storage.source import Source
from diskchain.system.deadline import within

if TYPE_CHECKING:
    from diskchain.allocation.layer_map import LayerMap

_STEPS: Final = "KMGTPE"
_SIZE: Final = r"(0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20}(?:\.[0-9]{1,9})?)\s*(?:([KMGTPEkmgtpe])(?:i?[Bb])?|[Bb])?"
_PLACE: Final = re.compile(rf"{_SIZE}(?:([-+]){_SIZE})?")


class DiskMap:
    """One disk and its map. No dataclass: the type of a map needs numpy, and the verb's help does not."""

    __slots__ = ("disk", "map")

    def __init__(self, disk: DiskChain, layers: "LayerMap") -> None:
        self.disk = disk
        self.map = layers

    @property
    def layers(self) -> list[str]:
        """What the layers are called, as every verb takes it."""
        return [name.shown for name in self.disk.names[self.disk.first :]]

    @property
    def findings(self) -> list[Finding]:
        """What was found about the tables in the last question, with the layer it is about."""
        disk = self.disk.name if self.disk.target.attached else None
        of_file = dict(zip(self.map.names, self.layers, strict=True))
        return [about(found, disk, of_file.get(found.file or "", self.layers[0])) for found in self.map.findings]


@dataclass(frozen=True, slots=True)
class Blame:
    """Who answers for a stretch of a disk. ``layer``: its name; ``file``: what holds the bytes.

    ``since``, ``until``: when the layer's file was made, and the one of the overlay that has kept it from being written since; seconds since
    1970, None where nobody can tell.
    """

    run: Run
    layer: str
    file: str
    since: float | None
    until: float | None


def map_disks(target: Examined, wanted: Sequence[str] = (), settings: Settings = DEFAULT) -> tuple[DiskMap, ...]:
    """The maps of the disks and layers that ``wanted`` names; nothing is read yet. Raises LayerNotFound, MissingExtra."""
    return tuple(_mapped(disk, settings) for disk in selected(target, wanted, settings.timeout).disks)


def chain_map(chain: BackingChain, settings: Settings = DEFAULT) -> "LayerMap":
    """The map of one chain; nothing is read yet. Raises MissingExtra."""
    need_numpy("a map of who holds which bytes")
    from diskchain.allocation.layer_map import LayerMap

    return LayerMap(chain, seconds=settings.timeout)


def _mapped(disk: DiskChain, settings: Settings) -> DiskMap:
    need_numpy("a map of who holds which bytes")
    from diskchain.allocation.layer_map import LayerMap

    return DiskMap(disk, LayerMap(disk.chain, opener=opener_of(disk, settings), seconds=settings.timeout))


def parse_place(text: str) -> tuple[int, int | None]:
    """A place on a disk: ``1.5G``, ``0x60000000``, or a stretch, ``1G-2G`` or ``1G+64K``: its start and its end, None for one byte.

    Raises UsageError.
    """
    found = _PLACE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{printable(text)} is no place on a disk: 1.5G, 0x60000000, 1G-2G, 1G+64K")
    start = _bytes(found[1], found[2])
    if found[3] is None:
        return start, None
    end = _bytes(found[4], found[5]) + (start if found[3] == "+" else 0)
    if end <= start:
        raise UsageError(f"{printable(text)} is a stretch without a byte in it")
    return start, end


def _bytes(number: str, unit: str | None) -> int:
    scale = 1024 ** (1 + _STEPS.index(unit.upper())) if unit else 1
    if number[:2].lower() == "0x":
        return int(number, 16) * scale
    whole, _, part = number.partition(".")
    return int(whole) * scale + (int(part) * scale // 10 ** len(part) if part else 0)


def blame(found: DiskMap, start: int, end: int | None, seconds: float) -> Iterator[Blame]:
    """Who answers for the byte at ``start``, or for [``start``, ``end``). Raises UsageError for what the disk does not have."""
    births: dict[int, float | None] = {}

    def made(depth: int) -> float | None:
        if depth not in births:
            births[depth] = _birth(found.map.chain[depth].source, seconds)
        return births[depth]

    runs = [found.map.at(start)] if end is None else found.map.runs(start, end)
    names, files, empty = found.layers, found.map.data_names, True
    for run in runs:
        if run is not None:
            empty = False
            until = made(run.depth - 1) if run.depth else None
            yield Blame(run, names[run.depth], files[run.depth], made(run.depth), until)
    if empty:
        size = found.map.chain.top.header.capacity if found.map.chain.top.header is not None else None
        known = "" if size is None else f": it has {size} bytes"
        raise UsageError(f"{printable(found.disk.title)} does not reach to {start}{known}")


def _birth(source: Source, seconds: float) -> float | None:
    """When the file of a layer was made; None where nobody can tell."""
    import os

    from diskchain.system.statx import statx

    path = local_path(source.location)
    if path is None:
        return None

    def ask() -> int | None:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            return statx(descriptor).birth
        finally:
            os.close(descriptor)

    try:
        birth = within(seconds, describe_location(source.location), ask)
    except (OSError, DiskchainError):
        return None
    return None if birth is None else birth / 1e9
