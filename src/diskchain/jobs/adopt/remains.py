"""What a merge that was cut off leaves in files: ranges that were copied, ranges that were not, clusters that no table finds.

Asks qemu-img which layer holds what, compares ranges, and looks for clusters of one image in another's unused ones. Reads alone.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from diskchain.qemu.images import Chain, chain_argument, differ, extents
from diskchain.storage.location import local_path
from diskchain.storage.source import TERMINATOR, Source, layers, stack, with_backing
from diskchain.storage.terms import Format

#: Ranges that are compared one by one; with more, what they say is not asked.
_MOST_RANGES: Final = 300
#: Clusters that are looked for in another image.
_SAMPLES: Final = 512
_OTHER: Final = 100_000  # where the numbers of a second chain begin


@dataclass(frozen=True, slots=True)
class Merge:
    """How far what is above a layer is in it.

    ``copied``: some of it is there already. ``newer``: the layer has something else where those above have data, so which of them is newer
    cannot be told by that. None: there is too much to ask.
    """

    copied: bool
    newer: bool | None


@dataclass(frozen=True, slots=True)
class _Range:
    start: int
    length: int
    data: bool
    at: int | None

    @property
    def end(self) -> int:
        return self.start + self.length


def difference(one: Source, other: Source) -> str | None:
    """Where two chains read differently, in words; None: they read the same. Raises PeerError."""
    return differ(chain_argument(one), chain_argument(other, _OTHER))


def merge_into(top: Source, layer: Source) -> Merge:
    """How far what is above ``layer``, from ``top`` down, is in it. ``layer`` is one of the chain of ``top``. Raises PeerError."""
    above = stack([*_above(top, layer)], TERMINATOR)
    held, inside = _ranges(above), _ranges(with_backing(layer, TERMINATOR))
    both = [*_overlaps(held, inside)]
    if len(both) > _MOST_RANGES:
        return Merge(copied=False, newer=None)
    copied = newer = False
    for start, length, data in both:
        if differ(_window(chain_argument(top), start, length), _window(chain_argument(layer, _OTHER), start, length)):
            newer = True
        else:
            copied = copied or data
    return Merge(copied, newer)


def _above(top: Source, layer: Source) -> Iterator[Source]:
    for each in layers(top):
        if each.location == layer.location:
            return
        yield each


def _ranges(source: Source) -> list[_Range]:
    """What a chain that ends by itself holds, by qemu-img. Holes in a raw image count as not held."""
    raw = source.format is Format.RAW
    return [
        _Range(each["start"], each["length"], bool(each["data"]), each.get("offset"))
        for each in extents(chain_argument(source))
        if (each["data"] if raw else each.get("present", each["data"]))
    ]


def _overlaps(one: Sequence[_Range], other: Sequence[_Range]) -> Iterator[tuple[int, int, bool]]:
    """Start, length and whether it is data, of what is in both."""
    place = 0
    for each in one:
        while place < len(other) and other[place].end <= each.start:
            place += 1
        at = place
        while at < len(other) and other[at].start < each.end:
            start, end = max(each.start, other[at].start), min(each.end, other[at].end)
            yield start, end - start, each.data
            at += 1


def _window(chain: Chain, start: int, length: int) -> Chain:
    """A part of what a chain reads as."""
    whole: dict[str, Any] = json.loads(chain.argument.removeprefix("json:"))
    size = {"driver": "raw", "offset": start, "size": length, "file": whole}
    return Chain("json:" + json.dumps(size), chain.emission)


def holds_unfound_clusters(file: Source, of: Iterable[Source], overlay: Source, cluster: int) -> bool:
    """Whether the qcow2 image ``file`` has clusters of data of another image in places that none of its tables leads to.

    That is what a copy leaves behind that was cut off before the tables were written. ``of``: the images it may have been copied from, of
    which counts what ``overlay`` does not hold itself; ``cluster``: the size of clusters in bytes, alike in all. Raises PeerError, OSError.
    """
    path = local_path(file.location)
    own = _ranges(with_backing(overlay, TERMINATOR))
    wanted = {digest for source in of for digest in _samples(source, own, cluster)}
    if path is None or file.format is not Format.QCOW2 or not wanted:
        return False
    used = [(each.at, each.at + each.length) for each in _ranges(with_backing(file, TERMINATOR)) if each.at is not None]
    with open(path, "rb") as image:
        size = os.fstat(image.fileno()).st_size
        for at in _unused(used, size, cluster):
            piece = os.pread(image.fileno(), cluster, at)
            if piece.strip(b"\0") and blake2b(piece).digest() in wanted:
                return True
    return False


def has_data_outside(source: Source, overlay: Source, cluster: int) -> bool:
    """Whether an image holds clusters of data where ``overlay`` holds nothing. Raises PeerError, OSError."""
    return next(_samples(source, _ranges(with_backing(overlay, TERMINATOR)), cluster), None) is not None


def _unused(used: list[tuple[int, int]], size: int, cluster: int) -> Iterator[int]:
    at = 0
    for start, end in [*sorted(used), (size, size)]:
        yield from range(at, start - start % cluster, cluster)
        at = max(at, end + -end % cluster)


def _samples(source: Source, hidden: Sequence[_Range], cluster: int) -> Iterator[bytes]:
    """Digests of clusters of data that an image holds itself, where nothing of ``hidden`` is."""
    path = local_path(source.location)
    if path is None:
        return
    left = _SAMPLES
    with open(path, "rb") as image:
        for each in _ranges(with_backing(source, TERMINATOR)):
            if not each.data or each.at is None:
                continue
            for at in range(each.at, each.at + each.length, cluster):
                start = each.start + at - each.at
                if any(start < other.end and other.start < start + cluster for other in hidden):
                    continue
                piece = os.pread(image.fileno(), cluster, at)
                if len(piece) == cluster and piece.strip(b"\0"):
                    yield blake2b(piece).digest()
                    left -= 1
                if left <= 0:
                    return
