"""Where the same bytes of a file serve two parts of a chain: an extent named twice, or shared by two images. Pure.

Two extents in one file are no fault as long as they do not overlap: descriptors of partitioned devices are made that way.
"""

from dataclasses import dataclass
from typing import Final

from diskchain.checks import messages as observations
from diskchain.discover.chain import BackingChain, Layer
from diskchain.findings import Finding
from diskchain.storage.location import describe_location

_ENDLESS: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class _Range:
    """Bytes of one file, and the layer at ``position`` that they belong to."""

    start: int
    end: int
    position: int
    image: str
    path: str


def shared_bytes(chain: BackingChain) -> list[tuple[int, Finding]]:
    """One finding a file, and the position of the lower of the layers it is about."""
    by_file: dict[tuple[int, int], list[_Range]] = {}
    for position, layer in enumerate(chain.layers):
        image = describe_location(layer.source.location)
        for file in layer.files:
            identity = file.facts.identity if file.facts is not None else None
            if identity is not None and all(found.id != "loop" for found in file.findings):
                by_file.setdefault(identity, []).append(_range(file, position, image))
    shared = (overlap for ranges in by_file.values() if (overlap := _overlap(ranges)) is not None)
    return [
        (lower.position, observations.extent_repeated(lower.path, upper.image, lower.image)) for upper, lower in shared
    ]


def _range(file: Layer, position: int, image: str) -> _Range:
    part = file.source.slice
    start, end = (0, _ENDLESS) if part is None or not part.size else (part.offset, part.offset + part.size)
    return _Range(start, end, position, image, describe_location(file.source.location))


def _overlap(ranges: list[_Range]) -> tuple[_Range, _Range] | None:
    """Two ranges that have bytes in common, the upper layer's first."""
    ranges.sort(key=lambda one: (one.start, one.end, one.position, one.path))
    reaching = ranges[0]
    for each in ranges[1:]:
        if each.start < reaching.end:
            upper, lower = sorted((reaching, each), key=lambda one: one.position)
            return upper, lower
        reaching = max(reaching, each, key=lambda one: one.end)
    return None
