"""Chains as trees for a terminal, top first: a line for each layer, what is wrong with it below, and what they come to above.

A path is cut where it is known: the directory of all layers stands once, above them. Commands stand below the tree, each in one line
whatever the width, so that they can be copied.
"""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from diskchain.discover.chain import Layer
from diskchain.errors import printable
from diskchain.findings import Finding
from diskchain.report.findings import finding_lines, mark, message_lines
from diskchain.report.frame import end_lines, fix_lines, heading_lines, layer_number, short_message
from diskchain.report.references import shown_reference
from diskchain.report.selection import Selection
from diskchain.report.style import Style
from diskchain.report.wrapping import wrapped
from diskchain.storage.location import describe_location, local_path
from diskchain.storage.source import Terminator
from diskchain.storage.terms import Format
from diskchain.units import human_size

if TYPE_CHECKING:
    from diskchain.actions.examined import DiskChain, Examined

_EXTENTS_SHOWN: Final = 8
_WIDEST_NAME: Final = 48  # columns; a longer name pushes the sizes of its own line alone


def target_lines(target: "Examined", selection: Selection, style: Style, *, long: bool = False) -> Iterator[str]:
    """The lines of a target: what is said of its document as a whole, then a tree for each disk. ``long``: with all that is known."""
    for found in selection.of(target.said):
        yield from finding_lines(found, style, found.layer or found.disk or "")
    if not target.disks:
        yield f"{printable(target.name)}: no disk with a medium"
    for disk in target.disks:
        said = [found for found in target.said if found.disk == disk.name]
        if long:
            from diskchain.report.long_tree import chain_lines

            yield from chain_lines(disk, said, selection, style)
        else:
            yield from _Tree(disk, selection, style).lines(said)


class _Tree:
    """One disk's chain, from the layer that was asked for."""

    def __init__(self, disk: "DiskChain", selection: Selection, style: Style) -> None:
        self._disk, self._selection, self._style = disk, selection, style
        self._layers = tuple(disk.chain)
        self._numbers = [layer_number(name, disk.name) for name in disk.names[disk.first :]]
        self._home = _common_directory(self._layers)
        rows = [self._row(layer) for layer in self._layers]
        self._widths = [min(max(map(len, column)), _WIDEST_NAME) for column in zip(*rows, strict=True)]
        widest = max(map(len, self._numbers))
        self._numbers = [number.ljust(widest) for number in self._numbers]

    def lines(self, said: Sequence[Finding]) -> Iterator[str]:
        """The tree. ``said``: of the disk in its document."""
        disk = self._disk
        where = f" in {printable(self._home)}" if self._home and not disk.title.startswith(f"{self._home}/") else ""
        yield from heading_lines(disk, where, said, self._selection, self._style)
        last = len(self._layers) - 1
        known = isinstance(self._layers[-1].source.backing, Terminator)
        style = self._style
        for position, layer in enumerate(self._layers):
            ends = position == last and known
            branch, trunk = (style.elbow, "   ") if ends else (style.tee, style.bar)
            lines = self._layer(layer, self._numbers[position])
            yield branch + next(lines)
            for line in lines:
                yield trunk + line
        if not known:
            yield from end_lines("unknown: what is below could not be found out", style)
        yield from fix_lines(self._disk, self._selection)

    def _layer(self, layer: Layer, number: str) -> Iterator[str]:
        style = self._style.narrower(3)
        indent = " " * (len(number) + 1)
        yield from self._line(number, layer, style)
        inner = style.narrower(len(indent))
        for line in self._below(layer, inner):
            yield indent + line

    def _line(self, number: str, layer: Layer, style: Style) -> Iterator[str]:
        """Number, name, format, capacity, use, what is special, and the worst there is to say; without columns where that is too wide."""
        row = self._row(layer)
        shown = self._selection.of(found for file in layer.files for found in file.findings)
        worst = mark(shown, Style())
        cells = [cell.ljust(width) for cell, width in zip(row, self._widths, strict=True)]
        tail = [*_special(layer), *([worst] if worst else [])]
        line = "  ".join([f"{number} {cells[0]}", *cells[1:], *tail]).rstrip()
        if style.width is not None and len(line) > style.width:
            words = [number, *" ".join(filter(None, (*row, *tail))).split(" ")]
            lines = list(wrapped(words, style.width, " " * (len(number) + 1)))
        else:
            lines = [line]
        if worst and lines[-1].endswith(worst):
            lines[-1] = lines[-1].removesuffix(worst) + mark(shown, style)
        yield from lines

    def _row(self, layer: Layer) -> tuple[str, str, str, str]:
        source, header, facts = layer.source, layer.header, layer.facts
        has_capacity = header is not None and source.format is not Format.DIR
        capacity = human_size(header.capacity) if header is not None and has_capacity else ""
        used = f"{human_size(facts.allocated)} used" if facts is not None and facts.allocated is not None else ""
        return self._name(layer), str(source.format or "format unknown"), capacity, used

    def _name(self, layer: Layer) -> str:
        name = describe_location(layer.source.location)
        return printable(self._short(name))

    def _short(self, path: str) -> str:
        return path.removeprefix(f"{self._home}/") if self._home else path

    def _below(self, layer: Layer, style: Style) -> Iterator[str]:
        """What stands under a layer's line."""
        reference = layer.source.reference
        place = describe_location(layer.source.location)
        if reference is not None and os.path.basename(reference) != os.path.basename(place):
            yield from wrapped(["stored as", shown_reference(reference)], style.width)
        opened = self._disk.opened(layer.source)
        if opened is not None:
            yield from wrapped(["opened as", printable(opened)], style.width)
        data = layer.data_file
        if data is not None:
            yield from self._part("data file", data, style)
        left_out = 0
        for number, extent in enumerate(layer.extents):
            if number >= _EXTENTS_SHOWN and not self._selection.of(extent.findings):
                left_out += 1
            else:
                yield from self._part("extent", extent, style)
        if left_out:
            yield f"and {left_out:,} more extent{'s' if left_out > 1 else ''}"
        yield from self._messages(layer, style)

    def _part(self, what: str, part: Layer, style: Style) -> Iterator[str]:
        words = [what, *"  ".join(filter(None, self._row(part))).split(" ")]
        yield from wrapped(words, style.width)
        yield from self._messages(part, style)

    def _messages(self, layer: Layer, style: Style) -> Iterator[str]:
        own = describe_location(layer.source.location)
        for found in self._selection.of(layer.findings):
            yield from message_lines(found, style, message=self._message(found, own))

    def _message(self, found: Finding, own: str) -> str:
        """What is wrong, with paths as they are in the tree."""
        return short_message(found, own, (f"{self._home}/",) if self._home else ())


def _common_directory(layers: Sequence[Layer]) -> str:
    """The directory that all local layers are in or below; empty where there is none but the root."""
    paths = [path for layer in layers if (path := local_path(layer.source.location)) and path.startswith("/")]
    if not paths:
        return ""
    common = os.path.commonpath([os.path.dirname(path) for path in paths])
    return "" if common == "/" else common


def _special(layer: Layer) -> Iterator[str]:
    source, header = layer.source, layer.header
    if source.encryption is not None:
        yield f"encrypted ({header.encryption.kind if header and header.encryption else source.encryption.format})"
    if header is not None and header.snapshot_count:
        yield f"{header.snapshot_count} internal snapshot{'s' if header.snapshot_count > 1 else ''}"
