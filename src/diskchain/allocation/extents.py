"""Extents: which bytes of a guest's disk one layer, or a chain, answers for. Values on numpy arrays; no I/O, no format.

Extents are sorted and disjoint. Gaps are what nobody answers for: there the layer below shows through. ``overlay`` is associative, so a
chain may be folded in any order of neighbours. A layer counts up to the smallest size above it: a shorter layer hides what is below its end.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from diskchain.allocation.answers import DEPTH_SHIFT, KIND_MASK

I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]

#: The host offset of what has none.
NOWHERE: Final = -1


class Extents:
    """Sorted, disjoint pieces of a disk. ``start``, ``end``: bytes of the guest; ``host``: where in its file, or -1; ``tag``: kind and depth."""

    __slots__ = ("end", "host", "start", "tag")

    def __init__(self, start: I64, end: I64, host: I64, tag: U32) -> None:
        self.start = start
        self.end = end
        self.host = host
        self.tag = tag

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """The four columns, in order."""
        yield self.start
        yield self.end
        yield self.host
        yield self.tag

    @property
    def kind(self) -> U32:
        """The bits :data:`DATA`, :data:`ZERO` … of each."""
        return self.tag & np.uint32(KIND_MASK)

    @property
    def depth(self) -> U32:
        """The position of the layer each is in, 0 for the top."""
        return self.tag >> np.uint32(DEPTH_SHIFT)

    @property
    def length(self) -> I64:
        """Bytes of each."""
        return self.end - self.start


_NO_I64: Final[I64] = np.empty(0, np.int64)
NONE: Final = Extents(_NO_I64, _NO_I64, _NO_I64, np.empty(0, np.uint32))


def one(start: int, end: int, host: int, tag: int) -> Extents:
    """A single extent; none where it is empty."""
    if start >= end:
        return NONE
    return Extents(np.array([start]), np.array([end]), np.array([host]), np.array([tag], np.uint32))


def joined(parts: list[Extents]) -> Extents:
    """Parts that follow each other as one."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return NONE
    return Extents(
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.end for part in parts]),
        np.concatenate([part.host for part in parts]),
        np.concatenate([part.tag for part in parts]),
    )


def taken(extents: Extents, which: "NDArray[np.bool_] | NDArray[np.intp] | slice") -> Extents:
    """Those of ``extents`` that an index of numpy names."""
    return Extents(extents.start[which], extents.end[which], extents.host[which], extents.tag[which])


def clipped(extents: Extents, start: int, end: int) -> Extents:
    """What of ``extents`` lies in [start, end)."""
    first = int(np.searchsorted(extents.end, start, "right"))
    last = int(np.searchsorted(extents.start, end, "left"))
    if first >= last:
        return NONE
    part = taken(extents, slice(first, last))
    if part.start[0] >= start and part.end[-1] <= end:
        return part
    starts, ends, hosts = part.start.copy(), part.end.copy(), part.host.copy()
    if starts[0] < start:
        hosts[0] += start - starts[0] if hosts[0] >= 0 else 0
        starts[0] = start
    ends[-1] = min(int(ends[-1]), end)
    return Extents(starts, ends, hosts, part.tag)


def at_depth(extents: Extents, depth: int) -> Extents:
    """``extents`` of one layer, marked as those of the layer at ``depth``."""
    if not depth:
        return extents
    tag = extents.tag | np.uint32(depth << DEPTH_SHIFT)
    return Extents(extents.start, extents.end, extents.host, tag)


def overlay(top: Extents, low: Extents) -> Extents:
    """What is seen of both where ``top`` lies over ``low``."""
    if not len(low.start):
        return top
    if not len(top.start):
        return low
    return _woven(top, without(low, top))


def without(low: Extents, top: Extents) -> Extents:
    """What of ``low`` is not covered by ``top``."""
    first = np.searchsorted(top.end, low.start, "right")
    last = np.searchsorted(top.start, low.end, "left")
    covered = last > first
    if not covered.any():
        return low
    # Of each extent of low, the gaps of top that it may reach into: one more than there are extents of top in it.
    count = np.where(covered, last - first + 1, 1)
    owner = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    gap = first[owner] + number
    starts, ends = low.start[owner], low.end[owner]
    cut = covered[owner]
    before = cut & (number > 0)
    behind = cut & (number < count[owner] - 1)
    begins = starts.copy()
    begins[before] = np.maximum(starts[before], top.end[gap[before] - 1])
    stops = ends.copy()
    stops[behind] = np.minimum(ends[behind], top.start[gap[behind]])
    keep = begins < stops
    owner, begins, stops = owner[keep], begins[keep], stops[keep]
    host = low.host[owner]
    return Extents(begins, stops, np.where(host >= 0, host + (begins - low.start[owner]), host), low.tag[owner])


def _woven(one: Extents, other: Extents) -> Extents:
    """Two that nowhere overlap, in order."""
    if not len(other.start):
        return one
    if one.end[-1] <= other.start[0]:
        return joined([one, other])
    if other.end[-1] <= one.start[0]:
        return joined([other, one])
    at = np.searchsorted(one.start, other.start) + np.arange(len(other.start))
    rest = np.ones(len(one.start) + len(other.start), bool)
    rest[at] = False
    start, end, host = np.empty((3, len(rest)), np.int64)
    tag = np.empty(len(rest), np.uint32)
    start[at], end[at], host[at], tag[at] = other
    start[rest], end[rest], host[rest], tag[rest] = one
    return Extents(start, end, host, tag)


def folded(layers: list[Extents]) -> Extents:
    """A chain as one, top first: neighbours first, so that each extent is moved log(n) times, not n."""
    while len(layers) > 1:
        pairs = [overlay(layers[at], layers[at + 1]) for at in range(0, len(layers) - 1, 2)]
        layers = pairs + layers[len(pairs) * 2 :]
    return layers[0] if layers else NONE


def rounded(extents: Extents, unit: int) -> Extents:
    """The bytes of ``extents``, each enlarged to whole units, as one extent where they touch; without places, all of one kind."""
    if not len(extents.start):
        return NONE
    start, end = extents.start // unit * unit, -(-extents.end // unit) * unit
    apart = start[1:] > end[:-1]
    first = np.concatenate(([True], apart))
    last = np.concatenate((apart, [True]))
    nowhere = np.full(int(first.sum()), NOWHERE)
    return Extents(start[first], end[last], nowhere, np.ones(len(nowhere), np.uint32))


def merged(extents: Extents) -> Extents:
    """The same, with neighbours that are alike and follow each other in their file as one."""
    if len(extents.start) <= 1:
        return extents
    start, end, host, tag = extents
    apart = (end[:-1] != start[1:]) | (tag[:-1] != tag[1:])
    step = np.where(host[:-1] >= 0, host[:-1] + (end[:-1] - start[:-1]), NOWHERE)
    apart |= step != host[1:]
    if apart.all():
        return extents
    first = np.concatenate(([True], apart))
    last = np.concatenate((apart, [True]))
    return Extents(start[first], end[last], host[first], tag[first])
