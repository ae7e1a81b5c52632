"""``diskchain map --json``: schema ``diskchain/map/1``. Runs have documents of their own: those of ``qemu-img map --output=json``."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from diskchain.findings import Finding
from diskchain.schema.base import FindingDocument, finding_document

if TYPE_CHECKING:
    from diskchain.allocation.answers import LayerTotals, Run

MAP_SCHEMA = "diskchain/map/1"


class MapLayerDocument(msgspec.Struct, frozen=True, rename="kebab"):
    """One layer; numbers are bytes of the disk. ``answers``: what the guest reads from it, of which ``zero`` are zeros.

    ``hidden``: data it holds that no guest sees, since layers above answer there; ``empty``: zeros, since no layer answers; ``damaged``: where
    reading fails; ``unknown``: of which nobody can tell. ``file_size``, ``actual_size``: of its file and its data file.
    """

    name: str
    filename: str
    answers: int
    data: int
    zero: int
    hidden: int
    empty: int
    damaged: int
    unknown: int
    file_size: int | None = None
    actual_size: int | None = None


class MapDiskDocument(msgspec.Struct, frozen=True, rename="kebab"):
    """One disk. ``layers``: top first."""

    disk: str
    virtual_size: int | None
    layers: tuple[MapLayerDocument, ...]


class MapDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain map --json`` prints."""

    schema: str = MAP_SCHEMA
    target: str
    disks: tuple[MapDiskDocument, ...]
    findings: tuple[FindingDocument, ...] = ()


class RunDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run, with the keys of ``qemu-img map --output=json`` and the name of the layer; ``offset`` where the data are in one place."""

    start: int
    length: int
    depth: int
    present: bool
    zero: bool
    data: bool
    compressed: bool
    layer: str
    filename: str
    offset: int | msgspec.UnsetType = msgspec.UNSET
    damaged: bool = False
    unknown: bool = False
    disk: str | None = None


def run_document(run: "Run", layer: str, filename: str, disk: str | None = None) -> RunDocument:
    """The JSON form of one run; ``disk`` where there are several."""
    offset = msgspec.UNSET if run.offset is None else run.offset
    return RunDocument(
        run.start,
        run.length,
        run.depth,
        run.present,
        run.zero,
        run.data,
        run.compressed,
        layer,
        filename,
        offset,
        run.damaged,
        run.unknown,
        disk,
    )


def map_disk_document(
    disk: str, capacity: int | None, names: Iterable[str], totals: "Iterable[LayerTotals]"
) -> MapDiskDocument:
    """The JSON form of one disk's sums."""
    layers = tuple(
        MapLayerDocument(
            name,
            each.name,
            each.answers,
            each.data,
            each.zero,
            each.hidden,
            each.empty,
            each.damaged,
            each.unknown,
            each.file_size,
            each.allocated,
        )
        for name, each in zip(names, totals, strict=True)
    )
    return MapDiskDocument(disk, capacity, layers)


def map_document(target: str, disks: Iterable[MapDiskDocument], findings: Iterable[Finding]) -> MapDocument:
    """The JSON form of a target's maps."""
    return MapDocument(target=target, disks=tuple(disks), findings=tuple(map(finding_document, findings)))
