"""A chain as a tree for a terminal, top first, every finding next to its layer."""

from collections.abc import Iterable, Iterator
from typing import Final

from diskchain.actions.chains import DiskChain, Examined
from diskchain.discover.chain import Layer
from diskchain.errors import printable
from diskchain.findings import Finding
from diskchain.report.findings import finding_lines
from diskchain.report.references import shown_reference
from diskchain.report.selection import Selection
from diskchain.report.style import Style
from diskchain.storage.location import describe_location
from diskchain.storage.source import Terminator
from diskchain.storage.terms import BACKING_FORMATS, Format
from diskchain.units import human_size

_EXTENTS_SHOWN: Final = 8


def target_lines(target: Examined, selection: Selection, style: Style) -> Iterator[str]:
    """The lines of a target: what is said of its document as a whole, then a tree for each disk."""
    for found in selection.of(target.said):
        yield from finding_lines(found, style)
    if not target.disks:
        yield f"{printable(target.name)}: no disk with a medium"
    for disk in target.disks:
        yield from chain_lines(disk, selection, style)


def chain_lines(disk: DiskChain, selection: Selection, style: Style) -> Iterator[str]:
    """The lines of one disk's chain, from the layer that was asked for."""
    layers = tuple(disk.chain)
    count = "1 layer" if len(layers) == 1 else f"{len(layers)} layers"
    yield f"{style.bold(printable(disk.title))}  {count}, top first"
    prefix = len(disk.name)
    for name, layer in zip(disk.names[disk.first :], layers, strict=True):
        number = (
            name.position[prefix:] if name.by_index is None else f"{name.by_index[prefix:]} {name.position[prefix:]}"
        )
        yield f"{style.tee}{style.bold(f'{number} {printable(describe_location(layer.source.location))}')}"
        opened = disk.opened(layer.source)
        if opened is not None:
            yield f"{style.bar}opened as {printable(opened)}"
        for line in _layer_lines(layer, selection, style.narrower(3)):
            yield style.bar + line
    yield style.elbow + _end(layers[-1])


def _layer_lines(layer: Layer, selection: Selection, style: Style) -> Iterator[str]:
    reference = layer.source.reference
    if reference is not None and reference != describe_location(layer.source.location):
        yield f"stored as {style.dim(shown_reference(reference))}"
    yield "  ".join(_properties(layer))
    data = layer.data_file
    if data is not None:
        yield f"data file {printable(describe_location(data.source.location))}  " + "  ".join(_properties(data))
        yield from _findings(data.findings, selection, style)
    yield from _extents(layer.extents, selection, style)
    yield from _findings(layer.findings, selection, style)


def _extents(extents: tuple[Layer, ...], selection: Selection, style: Style) -> Iterator[str]:
    """The first few, and all there is something to say about."""
    left_out = 0
    for number, extent in enumerate(extents):
        if number >= _EXTENTS_SHOWN and not extent.findings:
            left_out += 1
            continue
        yield f"extent {printable(describe_location(extent.source.location))}  " + "  ".join(_properties(extent))
        yield from _findings(extent.findings, selection, style)
    if left_out:
        yield f"and {left_out} more extents"


def _findings(findings: Iterable[Finding], selection: Selection, style: Style) -> Iterator[str]:
    for found in selection.of(findings):
        yield from finding_lines(found, style)


def _properties(layer: Layer) -> Iterator[str]:
    source, header, facts = layer.source, layer.header, layer.facts
    yield f"{source.format} ({layer.origin})" if source.format else "format unknown"
    if header is not None and source.format is not Format.DIR:
        yield f"capacity {human_size(header.capacity)}"
    if facts is not None and facts.allocated is not None:
        yield f"used {human_size(facts.allocated)}"
    if source.encryption is not None:
        yield f"encrypted ({header.encryption.kind if header and header.encryption else source.encryption.format})"
    if header is not None and header.snapshot_count:
        yield f"{header.snapshot_count} internal snapshot{'s' if header.snapshot_count > 1 else ''}"
    if source.readonly:
        yield "read-only"


def _end(last: Layer) -> str:
    backing = last.source.backing
    if not isinstance(backing, Terminator):
        return "unknown: what is below could not be found out"
    if not backing.detected:
        return "end: the document says so"
    if last.source.format in BACKING_FORMATS:
        return "end: the header names no backing file"
    return f"end: {last.source.format} has no backing file"
