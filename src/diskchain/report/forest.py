"""A forest of images for a terminal: what stands on nothing at the left, overlays under what they stand on."""

import os
from collections.abc import Iterator

from diskchain.actions.forest import Forest, Image
from diskchain.discover.chain import Layer
from diskchain.errors import printable
from diskchain.report.check import walked_words
from diskchain.report.findings import finding_lines
from diskchain.report.selection import Selection
from diskchain.report.style import Style
from diskchain.storage.source import Terminator
from diskchain.units import human_size


def forest_lines(directory: str, forest: Forest, selection: Selection, style: Style) -> Iterator[str]:
    """The lines of ``forest``. What is to be shown of an image stands under it."""
    count = len(forest.images)
    words = f"{count} image{'' if count == 1 else 's'}" if forest.walked is None else walked_words(forest.walked)
    yield f"{style.bold(printable(directory))}: {words}"
    for name, found in forest.said:
        if selection.shows(found):
            yield from finding_lines(found, style, name)
    homes = (f"{directory.rstrip('/')}/", f"{os.path.abspath(directory).rstrip('/')}/")
    for root in forest.roots:
        yield from _tree(root, forest, selection, style, homes)


def _tree(root: Image, forest: Forest, selection: Selection, style: Style, homes: tuple[str, ...]) -> Iterator[str]:
    """Without recursion: chains may be deep."""
    left = [(root, "", "")]
    while left:
        image, first, rest = left.pop()
        yield first + _line(image, style, homes)
        trunk = rest + (style.bar if image.overlays else "   ")
        for found in selection.of(image.findings):
            for line in finding_lines(found, style.narrower(len(trunk))):
                yield trunk + line
        for place, number in enumerate(reversed(image.overlays)):
            mark, below = (style.bar, style.tee) if place else ("   ", style.elbow)
            left.append((forest.images[number], rest + below, rest + mark))


def _line(image: Image, style: Style, homes: tuple[str, ...]) -> str:
    parts = [style.bold(_shown(image.name, homes)), *_properties(image.layer)]
    if image.users:
        users = [f"{printable(disk)} of {_shown(document, homes)}" for document, disk in image.users]
        parts.append(f"used by {', '.join(users)}")
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
        yield f"used {human_size(facts.allocated)}"
    if source.encryption is not None:
        yield "encrypted"
    if not isinstance(source.backing, Terminator) and layer.below is None:
        yield "what is below is not known"
