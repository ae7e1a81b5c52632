"""A forest of images for a terminal: what stands on nothing at the left, overlays under what they stand on."""

import os
from collections.abc import Iterator

from diskchain.actions.forest import Forest, Image
from diskchain.discover.chain import Layer
from diskchain.errors import printable
from diskchain.report.check import walked_words
from diskchain.report.findings import counted, finding_lines, fix_line, mark, message_lines, number_of
from diskchain.report.frame import short_message
from diskchain.report.selection import Selection
from diskchain.report.style import Style
from diskchain.storage.source import Terminator
from diskchain.units import human_size


def forest_lines(directory: str, forest: Forest, selection: Selection, style: Style) -> Iterator[str]:
    """The lines of ``forest``. What is to be shown of an image stands under it."""
    said = counted(selection.counts(forest.findings), style, selection.least)
    words = number_of(len(forest.images), "image") if forest.walked is None else walked_words(forest.walked)
    yield f"{style.bold(printable(directory))}: {words}; {said}"
    for name, found in forest.said:
        if selection.shows(found):
            yield from finding_lines(found, style, name)
    homes = (f"{directory.rstrip('/')}/", f"{os.path.abspath(directory).rstrip('/')}/")
    for root in forest.roots:
        yield from _tree(root, forest, selection, style, homes)
    yield from _fixes(forest, selection, homes)


def _tree(root: Image, forest: Forest, selection: Selection, style: Style, homes: tuple[str, ...]) -> Iterator[str]:
    """Without recursion: chains may be deep."""
    left = [(root, "", "")]
    while left:
        image, first, rest = left.pop()
        yield first + _line(image, selection, style, homes)
        trunk = rest + (style.bar if image.overlays else "   ")
        for found in selection.of(image.findings):
            message = short_message(found, image.name, homes)
            for line in message_lines(found, style.narrower(len(trunk)), message=message):
                yield trunk + line
        for place, number in enumerate(reversed(image.overlays)):
            mark, below = (style.bar, style.tee) if place else ("   ", style.elbow)
            left.append((forest.images[number], rest + below, rest + mark))


def _fixes(forest: Forest, selection: Selection, homes: tuple[str, ...]) -> Iterator[str]:
    """Commands below all trees, each in one line: so that they can be copied."""
    told: set[str] = set()
    for image in forest.images:
        for found in selection.of(image.findings):
            if found.fix and found.fix not in told:
                told.add(found.fix)
                yield f"{_shown(image.name, homes)} {fix_line(found)}"


def _line(image: Image, selection: Selection, style: Style, homes: tuple[str, ...]) -> str:
    parts = [style.bold(_shown(image.name, homes)), *_properties(image.layer)]
    if image.users:
        users = [f"{printable(disk)} of {_shown(document, homes)}" for document, disk in image.users]
        parts.append(f"used by {', '.join(users)}")
    worst = mark(selection.of(image.findings), style)
    if worst:
        parts.append(worst)
    return "  ".join(parts)


def _shown(name: str, homes: tuple[str, ...]) -> str:
    """A name as it is below the directory; ``homes``: what the directory is called."""
    return printable(next((name.removeprefix(home) for home in homes if name.startswith(home)), name))


def _properties(layer: Layer) -> Iterator[str]:
    source, header, facts = layer.source, layer.header, layer.facts
    yield str(source.format) if source.format else "format unknown"
    if header is not None:
        yield human_size(header.capacity)
    if facts is not None and facts.allocated is not None:
        yield f"{human_size(facts.allocated)} used"
    if source.encryption is not None:
        yield "encrypted"
    if not isinstance(source.backing, Terminator) and layer.below is None:
        yield "what is below is not known"
