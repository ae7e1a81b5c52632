"""A chain as a tree for a terminal, top first, with all that is known of each layer. The short form is :mod:`diskchain.report.tree`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from diskchain.actions.chains import DiskChain
from diskchain.discover.chain import Layer
from diskchain.errors import printable
from diskchain.findings import Finding
from diskchain.report.findings import message_lines
from diskchain.report.frame import end_lines, fix_lines, heading_lines, layer_number
from diskchain.report.references import shown_reference
from diskchain.report.selection import Selection
from diskchain.report.style import Style
from diskchain.report.wrapping import wrapped
from diskchain.storage.location import describe_location
from diskchain.storage.source import Terminator
from diskchain.storage.terms import BACKING_FORMATS, Format
from diskchain.units import human_size

_EXTENTS_SHOWN: Final = 8


def chain_lines(disk: DiskChain, said: Sequence[Finding], selection: Selection, style: Style) -> Iterator[str]:
    """The lines of one disk's chain, from the layer that was asked for."""
    layers = tuple(disk.chain)
    yield from heading_lines(disk, ", top first", said, selection, style)
    for name, layer in zip(disk.names[disk.first :], layers, strict=True):
        place = printable(describe_location(layer.source.location))
        first, *more = wrapped(f"{layer_number(name, disk.name)} {place}".split(" "), style.narrower(3).width)
        yield style.tee + style.bold(first)
        for line in more:
            yield style.bar + style.bold(line)
        opened = disk.opened(layer.source)
        inner = style.narrower(3)
        if opened is not None:
            yield from (style.bar + line for line in wrapped(["opened", "as", printable(opened)], inner.width))
        for line in _layer_lines(layer, selection, inner):
            yield style.bar + line
    yield from end_lines(_end(layers[-1]), style)
    yield from fix_lines(disk, selection)


def _layer_lines(layer: Layer, selection: Selection, style: Style) -> Iterator[str]:
    reference = layer.source.reference
    if reference is not None and reference != describe_location(layer.source.location):
        yield from map(style.dim, wrapped(["stored", "as", *shown_reference(reference).split(" ")], style.width))
    yield from _joined("", layer, style)
    data = layer.data_file
    if data is not None:
        yield from _joined("data file", data, style)
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
        yield from _joined("extent", extent, style)
        yield from _findings(extent.findings, selection, style)
    if left_out:
        yield f"and {left_out} more extents"


def _findings(findings: Iterable[Finding], selection: Selection, style: Style) -> Iterator[str]:
    for found in selection.of(findings):
        yield from message_lines(found, style)


def _joined(what: str, part: Layer, style: Style) -> Iterator[str]:
    """The properties of a layer, or of ``what`` belongs to it, which is named."""
    named = [f"{what} {printable(describe_location(part.source.location))}"] if what else []
    yield from wrapped("  ".join([*named, *_properties(part)]).split(" "), style.width)


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
