"""qcow2's refcounts: how often each cluster of the file is said to be used. Read for a range of clusters, as numbers.

Source: QEMU ``docs/interop/qcow2.txt`` "Host cluster management"; ``block/qcow2-refcount.c`` (7.2, ``check_refblocks``).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from diskchain.allocation.container import Container
from diskchain.allocation.extents import I64
from diskchain.allocation.problems import Problems
from diskchain.allocation.qcow2_layout import Layout

#: REFT_RESERVED_MASK: these bits of an entry of the refcount table are 0.
_RESERVED: Final = 0x1FF
_OFFSET: Final = 0xFFFFFFFFFFFFFE00  # REFT_OFFSET_MASK
_BYTE: Final = 3
_MOST: Final = 0xFFFF  # what more is counted as


class Refcounts:
    """The refcount table of an image, and its blocks on request."""

    def __init__(self, container: Container, layout: Layout, problems: Problems) -> None:
        """Reads the table. Raises StorageError."""
        self._container = container
        self._layout = layout
        raw = np.zeros(layout.refcount_clusters << layout.bits, np.uint8)
        container.read_into(layout.refcounts_at, raw.data)
        entries = raw.view(">u8").astype(np.uint64)
        offsets = (entries & np.uint64(_OFFSET)).astype(np.int64)
        #: Entries of a block.
        self.per_block = (8 << layout.bits) >> layout.refcount_order
        wrong = (entries & np.uint64(_RESERVED)) != 0
        _note(problems, "refcount table entries with reserved bits", wrong, offsets)
        unaligned = ~wrong & ((offsets & (layout.cluster - 1)) != 0)
        _note(problems, "refcount blocks that do not begin on a cluster", unaligned, offsets)
        outside = (
            ~wrong & ~unaligned & ((offsets >= -(-container.size // layout.cluster) * layout.cluster) | (offsets < 0))
        )
        _note(problems, "refcount blocks behind the end of the file", outside, offsets)
        offsets[wrong | unaligned | outside] = 0
        self._blocks = offsets
        #: Where the blocks are.
        self.blocks: I64 = offsets[offsets > 0]

    def counts(self, first: int, count: int) -> NDArray[np.uint16]:
        """The refcounts of ``count`` clusters from ``first`` on; greater ones than 65535 as that. Raises StorageError."""
        found = np.zeros(count, np.uint16)
        begin, end = first // self.per_block, -(-(first + count) // self.per_block)
        buffer = np.empty(self._layout.cluster, np.uint8)
        for number in np.flatnonzero(self._blocks[begin:end]).tolist():
            self._container.read_into(int(self._blocks[begin + number]), buffer.data)
            values = _numbers(buffer, self._layout.refcount_order)
            at = (begin + number) * self.per_block - first
            low, high = max(0, at), min(count, at + self.per_block)
            found[low:high] = values[low - at : high - at]
        return found


def _numbers(block: NDArray[np.uint8], order: int) -> NDArray[np.uint16]:
    """The entries of a block, of 2^``order`` bits each; of less than a byte the lowest bits come first."""
    if order >= _BYTE:
        wide = block.view(f">u{1 << order - _BYTE}")
        return np.minimum(wide, _MOST).astype(np.uint16) if order > _BYTE + 1 else wide.astype(np.uint16)
    width = 1 << order
    shifts = np.arange(0, 8, width, dtype=np.uint8)
    return ((block[:, None] >> shifts) & np.uint8((1 << width) - 1)).astype(np.uint16).reshape(-1)


def _note(problems: Problems, what: str, which: NDArray[np.bool_], offsets: I64) -> None:
    at = np.flatnonzero(which)
    problems.note(what, places=tuple(f"entry {each} names {int(offsets[each]):#x}" for each in at[:3]), count=len(at))
