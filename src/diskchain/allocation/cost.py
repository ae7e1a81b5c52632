"""What a commit, pull, copy or rebase would move, from maps alone: nothing is copied, no data are read.

What is exact and what is a bound: a map knows where data are, not what they are. QEMU writes no zeros that it finds in data when it pulls,
and no bytes that are alike in both chains when it rebases; then less is moved than is said here, never more than ``growth_at_most``. A commit that
``qemu-img commit`` or a block job of the active layer makes is exact; one of lower layers writes zeros as data before QEMU 10, which
``growth_at_most`` allows for.
Source: QEMU 7.2 ``block/mirror.c`` (``mirror_iteration``, ``mirror_dirty_init``), ``block/commit.c``, ``block/stream.c``, ``qemu-img.c`` (``img_rebase``).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diskchain.allocation.answers import DATA, DEPTH_SHIFT, PRESENT, UNKNOWN, ZERO
from diskchain.allocation.extents import (
    NONE,
    NOWHERE,
    Extents,
    clipped,
    folded,
    joined,
    one,
    overlay,
    rounded,
    taken,
    without,
)
from diskchain.allocation.layer_map import LayerMap, Section
from diskchain.storage.terms import Format
from diskchain.units import KiB, MiB

#: bdrv_get_default_bitmap_granularity: the size of a cluster of the target, but from 4 KiB to 64 KiB; what has none counts as 64 KiB.
_FINEST: Final = 4 * KiB
_COARSEST: Final = 64 * KiB
#: Windows begin at multiples of this: no cluster of a qcow2 image is larger.
_ALIGNED: Final = 2 * MiB
#: Entries of a qcow2 L2 table are 8 bytes, and a cluster has a refcount of 2.
_TABLES: Final = 10
_VERSION_2: Final = 2


@dataclass(frozen=True, slots=True)
class Cost:
    """All in bytes. ``copies``: read from one layer and written to another; ``zeroes``: written as zeros, without data.

    ``growth``: data that the layer that is written to holds afterwards where it held none; ``growth_at_most``: if zeros are written as data;
    ``loses``: data it held that are zeros then. ``frees``: room on the host of the files that are not needed any more, None where nobody can
    tell. ``unknown``: bytes of the disk of which nobody can tell, so that all this is too little.
    """

    copies: int
    zeroes: int
    growth: int
    growth_at_most: int
    loses: int
    frees: int | None
    unknown: int = 0


def commit_cost(chain: LayerMap, base: int) -> Cost:
    """What all layers of ``chain`` above the one at ``base`` (a place, 0 the top) cost to be merged into that."""
    unit = chain.units()[base] or _COARSEST
    header = chain.chain[base].header
    cluster = (header.cluster_size if header is not None else None) or _COARSEST
    block = max(unit, min(max(cluster, _FINEST), _COARSEST))
    # A version 2 image has no zero clusters: over a backing file, zeros are data in it.
    bottom = base == len(chain.chain) - 1
    stores_zeros = header is not None and header.format is Format.QCOW2 and header.version == _VERSION_2 and not bottom
    capacities = [0 if layer.header is None else layer.header.capacity for layer in chain.chain[:base]]
    sums = np.zeros(6, np.int64)
    for part in chain.sections(max(_ALIGNED, block)):
        above = overlay(part.visible(0, base), _behind_short_layers(capacities, part))
        moved = _of_kind(above, PRESENT)
        touched = clipped(rounded(moved, block), part.start, part.end)
        own = _of_kind(part.own[base], DATA)
        whole = NONE if stores_zeros else _whole_blocks(part.seen, moved, block, part.end)
        copied = without(touched, whole)
        gained, gained_at_most = without(copied, own), without(touched, own)
        lost = _sum(whole) - _sum(without(whole, own))
        sums += [_sum(copied), _sum(whole), _sum(gained), _sum(gained_at_most), lost, _unknown(part, 0, base)]
    copies, zeroes, growth, at_most, loses, unknown = sums.tolist()
    return Cost(copies, zeroes, growth, at_most, loses, _freed(chain, range(base)), unknown)


def _behind_short_layers(capacities: list[int], part: Section) -> Extents:
    """Where a layer between top and base ends before those above it: it answers with zeros there, as far as they reach."""
    pieces = []
    limit = capacities[0]
    for depth, capacity in enumerate(capacities[1:], 1):
        pieces.append(
            one(max(capacity, part.start), min(limit, part.end), NOWHERE, PRESENT | ZERO | depth << DEPTH_SHIFT)
        )
        limit = min(limit, capacity)
    return joined([piece for piece in reversed(pieces) if len(piece.start)])


def pull_cost(chain: LayerMap, base: int | None) -> Cost:
    """What the layers between the top of ``chain`` and the one at ``base`` (a place; None: all below) cost to be copied into the top."""
    end = len(chain.chain) if base is None else base
    unit = chain.units()[0] or _COARSEST
    sums = np.zeros(4, np.int64)
    for part in chain.sections(max(_ALIGNED, unit)):
        own = _of_kind(part.own[0], PRESENT)
        between = part.visible(1, end)
        present, data = without(_of_kind(between, PRESENT), own), without(_of_kind(between, DATA), own)
        touched = without(clipped(rounded(data, unit), part.start, part.end), own)
        at_most = without(clipped(rounded(present, unit), part.start, part.end), own)
        sums += [_sum(touched), _sum(at_most) - _sum(touched), _sum(at_most), _unknown(part, 1, end)]
    copies, zeroes, at_most_sum, unknown = sums.tolist()
    return Cost(copies, zeroes, copies, at_most_sum, 0, _freed(chain, range(1, end)), unknown)


def copy_cost(chain: LayerMap) -> Cost:
    """What all that ``chain`` reads as costs to be copied into a new qcow2 image of clusters of 64 KiB."""
    sums = np.zeros(3, np.int64)
    for part in chain.sections(_ALIGNED):
        seen = _of_kind(part.seen, DATA)
        data = clipped(rounded(seen, _COARSEST), part.start, part.end)
        sums += [_sum(seen), _sum(data), _unknown(part, 0, len(part.own))]
    copies, growth, unknown = sums.tolist()
    header = chain.chain.top.header
    size = 0 if header is None else header.capacity
    tables = -(-size // _COARSEST) * _TABLES + MiB
    return Cost(copies, 0, growth, growth + tables, 0, 0, unknown)


def rebase_cost(old: LayerMap, new: LayerMap | None) -> Cost:
    """What the top of ``old`` has to take over when it is put over the chain ``new`` (None: over nothing), so that it reads the same."""
    unit = old.units()[0] or _COARSEST
    sums = np.zeros(2, np.int64)
    for part in old.sections(max(_ALIGNED, unit)):
        own = _of_kind(part.own[0], PRESENT)
        differ = [_of_kind(part.visible(1, len(part.own)), DATA)]
        if new is not None:
            differ += [_of_kind(window, DATA) for window in new.windows(part.start, part.end)]
        touched = [without(clipped(rounded(each, unit), part.start, part.end), own) for each in differ]
        sums += [_sum(folded(touched)), _unknown(part, 1, len(part.own))]
    copies, unknown = sums.tolist()
    return Cost(copies, 0, copies, copies, 0, 0, unknown)


def _of_kind(extents: Extents, kind: int) -> Extents:
    """Those of a kind; of data those that are not known to read as zeros."""
    bits = extents.tag & np.uint32(kind | ZERO) if kind == DATA else extents.tag & np.uint32(kind)
    which: NDArray[np.bool_] = bits == np.uint32(kind)
    return extents if which.all() else taken(extents, which)


def _whole_blocks(seen: Extents, moved: Extents, block: int, end: int) -> Extents:
    """Blocks that one stretch of zeros covers and that are to be moved: they are written as zeros."""
    zeros = (seen.tag & np.uint32(ZERO | DATA)) == ZERO
    start, stop = -(-seen.start // block) * block, seen.end // block * block
    stop = np.where(seen.end == end, seen.end, stop)
    inside = zeros & (start < stop)
    whole = Extents(start[inside], stop[inside], seen.host[inside], seen.tag[inside])
    touched = rounded(moved, block)
    return without(whole, without(whole, touched))


def _unknown(part: Section, top: int, base: int) -> int:
    return sum(_sum(_of_kind(own, UNKNOWN)) for own in part.own[top:base])


def _sum(extents: Extents) -> int:
    return int(extents.length.sum())


def _freed(chain: LayerMap, layers: range) -> int | None:
    """Room on the host of the files of ``layers``."""
    found = 0
    for place in layers:
        for file in chain.chain[place].files:
            room = None if file.facts is None else file.facts.allocated
            if room is None:
                return None
            found += room
    return found
