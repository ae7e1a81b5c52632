"""qcow2 images whose clusters were allocated before anything was written: what lies in holes of the file reads as zeros.

Source: QEMU 7.2 ``qcow2_detect_metadata_preallocation``: it asks the file for holes where far more clusters are counted than the file
takes room on the host. The same question here gives the same answer.
"""

from typing import TYPE_CHECKING, Final

import numpy as np

from diskchain.allocation.answers import DATA, ZERO
from diskchain.allocation.container import SECTOR, Container
from diskchain.allocation.extents import I64, Extents
from diskchain.units import MiB

if TYPE_CHECKING:
    from diskchain.allocation.qcow2_layout import Layout

_TABLE_MASK: Final = 0xFFFFFFFFFFFFFE00  # REFT_OFFSET_MASK
_BYTE: Final = 3  # the refcount order of a byte
_PIECE: Final = MiB


def is_preallocated(container: Container, layout: "Layout") -> bool:
    """Whether so many clusters are counted that most of them cannot have been written. Raises StorageError."""
    blocks = container.facts.blocks
    if blocks is None or not container.tells_holes:
        return False
    real = blocks * SECTOR >> layout.bits
    threshold = max(real * 10 // 9, real + 2)
    clusters = -(-container.size >> layout.bits)
    return clusters >= threshold and _counted(container, layout, clusters, threshold) >= threshold


def _counted(container: Container, layout: "Layout", clusters: int, enough: int) -> int:
    """Clusters with a refcount, up to ``enough`` of them."""
    per_block = (8 << layout.bits) >> layout.refcount_order
    blocks = min(-(-clusters // per_block), layout.refcount_clusters << layout.bits >> 3)
    raw = np.zeros(blocks << 3, np.uint8)
    container.read_into(layout.refcounts_at, raw.data)
    table = raw.view(">u8")
    count = 0
    buffer = np.empty(layout.cluster, np.uint8)
    for at in (table.astype(np.uint64) & np.uint64(_TABLE_MASK)).tolist():
        if at and at < container.size:
            container.read_into(at, buffer.data)
            count += used_refcounts(buffer, layout.refcount_order)
            if count >= enough:
                break
    return count


def used_refcounts(block: "np.ndarray[tuple[int], np.dtype[np.uint8]]", order: int) -> int:
    """How many refcounts of 2^``order`` bits in ``block`` are not zero."""
    if order >= _BYTE:
        return int(np.count_nonzero(block.view(f"u{1 << order - _BYTE}")))
    bits = np.unpackbits(block).reshape(-1, 1 << order)
    return int(np.count_nonzero(bits.any(axis=1)))


class Holes:
    """The holes of a file, found once: what of the data in it reads as zeros."""

    def __init__(self, container: Container) -> None:
        edges: list[int] = []
        at = 0
        while (found := container.data_from(at, container.size)) is not None:
            edges += found
            at = found[1]
        self._edges: I64 = np.array(edges, np.int64)  # where data begin and end, in turn

    def marked(self, extents: Extents) -> Extents:
        """``extents``, cut where holes begin and end, with what lies in holes marked as zeros."""
        start, end, host, tag = extents
        looked = (host >= 0) & ((tag & np.uint32(DATA)) != 0)
        if not looked.any():
            return extents
        first = np.searchsorted(self._edges, host, "right")
        last = np.searchsorted(self._edges, host + (end - start), "left")
        count = np.where(looked, np.maximum(last - first, 0) + 1, 1)
        owner = np.repeat(np.arange(len(start)), count)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        begin = host[owner].copy()
        cut = number > 0
        begin[cut] = self._edges[first[owner[cut]] + number[cut] - 1]
        starts = start[owner] + np.where(looked[owner], begin - host[owner], 0)
        ends = end[owner].copy()
        ends[:-1] = np.where(owner[1:] == owner[:-1], starts[1:], ends[:-1])
        hole = looked[owner] & (np.searchsorted(self._edges, begin, "right") % 2 == 0)
        tags = np.where(hole, tag[owner] | np.uint32(ZERO), tag[owner])
        return Extents(starts, ends, np.where(looked[owner], begin, host[owner]), tags)
