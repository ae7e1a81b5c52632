"""What a qcow2 image's L2 tables refer to: the clusters of the file, and which entries cannot be so.

Each table is read once, however many L1 tables name it. Source: QEMU ``block/qcow2-refcount.c`` (7.2, ``check_refcounts_l2``).
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diskchain.allocation.container import Container
from diskchain.allocation.extents import I64
from diskchain.allocation.problems import Problems
from diskchain.allocation.qcow2_layout import COMPRESSED_FLAG, COPIED, OFFSET_MASK, ZERO_FLAG, Layout
from diskchain.units import MiB

U64 = NDArray[np.uint64]

_PIECE: Final = MiB
_RESERVED: Final = 0x3F000000000001FE  # L2E_STD_RESERVED_MASK
_EXTENDED: Final = 16
_LOW: Final = np.uint64(0xFFFFFFFF)
_SECTOR: Final = 512


class References:
    """Of some tables: the first cluster each entry refers to, how many, and the entry. ``table``: the number of its table.

    ``plain``: each entry is a cluster in the file that is marked as to be written in place.
    """

    __slots__ = ("cluster", "count", "entry", "plain", "table")

    def __init__(self, cluster: I64, count: I64, entry: U64, table: I64, *, plain: bool = False) -> None:
        self.plain = plain
        self.cluster = cluster
        self.count = count
        self.entry = entry
        self.table = table


def references(container: Container, layout: Layout, tables: I64, problems: Problems | None) -> Iterator[References]:
    """What the L2 tables at ``tables`` refer to, some at a time. ``problems``: where entries that cannot be so are noted, once. Raises StorageError."""
    each = max(1, _PIECE >> layout.bits)
    buffer = np.empty(each << layout.bits, np.uint8)
    for first in range(0, len(tables), each):
        some = tables[first : first + each]
        view = buffer[: len(some) << layout.bits]
        for number, at in enumerate(some.tolist()):
            container.read_into(at, view[number << layout.bits : number + 1 << layout.bits].data)
        words = view.view(np.uint64)
        bitmaps = None
        if layout.entry == _EXTENDED:
            words, bitmaps = words[0::2], words[1::2]
        used = np.flatnonzero(words if bitmaps is None else words | bitmaps)
        entries = words[used].view(">u8").astype(np.uint64)
        maps = None if bitmaps is None else bitmaps[used].view(">u8").astype(np.uint64)
        table = used // layout.table_entries + first
        yield _of(container, layout, _Entries(entries, maps, table), problems)


class _Entries:
    """Entries that are not 0, their bitmaps where they are extended, and the number of the table of each."""

    __slots__ = ("bitmaps", "table", "values")

    def __init__(self, values: U64, bitmaps: U64 | None, table: I64) -> None:
        self.values = values
        self.bitmaps = bitmaps
        self.table = table


def _of(container: Container, layout: Layout, found: _Entries, problems: Problems | None) -> References:
    values, bitmaps, table = found.values, found.bitmaps, found.table
    if bitmaps is None and not layout.external and len(values):
        usual = _usual(container, layout, values, table)
        if usual is not None:
            return usual
    compressed = (values & np.uint64(COMPRESSED_FLAG)) != 0
    start = (values & np.uint64(OFFSET_MASK)).astype(np.int64)
    there = ~compressed & (start != 0)
    if problems is not None:
        _judge(layout, found, compressed, there, problems)
    counted = there | compressed
    if bitmaps is not None:  # QEMU does not count what contradicts itself
        counted &= ~(there & ((bitmaps >> np.uint64(32) & bitmaps) != 0)) & ~(compressed & (bitmaps != 0))
    if layout.external:
        counted[:] = False
    length = np.full(len(values), layout.cluster)
    if compressed.any():
        at, size = compressed_places(values, layout)
        start, length = np.where(compressed, at, start), np.where(compressed, size, length)
    beyond = counted & (start + length - container.size >= layout.cluster)
    if problems is not None and beyond.any():
        which = np.flatnonzero(beyond)
        places = tuple(f"{int(start[each]):#x}" for each in which[:3])
        problems.note("references to what is behind the end of the file", places=places, count=len(which))
    kept = counted & ~beyond
    cluster = start[kept] >> layout.bits
    last = (start[kept] + length[kept] - 1) >> layout.bits
    return References(cluster, last - cluster + 1, values[kept], table[kept])


def _usual(container: Container, layout: Layout, values: U64, table: I64) -> References | None:
    """Entries of which none is remarkable, by a few sums over all of them; None: look at each. Nearly all are like that."""
    odd = COMPRESSED_FLAG | ZERO_FLAG | _RESERVED | ((layout.cluster - 1) & OFFSET_MASK)
    low, high = int(values.min()), int(values.max())
    if low < COPIED or int(np.bitwise_or.reduce(values)) & odd:
        return None
    if low == COPIED or high - COPIED + layout.cluster - container.size >= layout.cluster:
        return None
    cluster = (values & np.uint64(OFFSET_MASK)).astype(np.int64) >> layout.bits
    return References(cluster, np.ones(1, np.int64), values, table, plain=True)


def compressed_places(values: U64, layout: Layout) -> tuple[I64, I64]:
    """Of compressed entries, where in the file their data are and how many bytes at most. Source: ``qcow2_parse_compressed_l2_entry``."""
    shift = 62 - (layout.bits - 8)
    at = (values & np.uint64((1 << shift) - 1)).astype(np.int64)
    sectors = ((values >> np.uint64(shift)) & np.uint64((1 << layout.bits - 8) - 1)).astype(np.int64) + 1
    return at, sectors * _SECTOR - (at & (_SECTOR - 1))


def _judge(
    layout: Layout, found: _Entries, compressed: NDArray[np.bool_], there: NDArray[np.bool_], problems: Problems
) -> None:
    values, bitmaps = found.values, found.bitmaps
    copied = (values & np.uint64(COPIED)) != 0
    host = (values & np.uint64(OFFSET_MASK)).astype(np.int64)

    def note(what: str, which: NDArray[np.bool_]) -> None:
        if which.any():
            at = np.flatnonzero(which)
            problems.note(what, places=tuple(f"{int(values[each]):#018x}" for each in at[:3]), count=len(at))

    note("L2 entries with reserved bits", ~compressed & ((values & np.uint64(_RESERVED)) != 0))
    if layout.external:  # QEMU takes every cluster of a data file for counted once
        note("clusters of the data file that are not marked as to be written in place", there & ~copied)
    note("compressed clusters that are marked as to be written in place", compressed & copied)
    note(
        "clusters that do not begin on a cluster of the file, so that reading them fails",
        there & ((host & (layout.cluster - 1)) != 0),
    )
    if layout.external:
        note("compressed clusters in an image with a data file", compressed)
    if bitmaps is not None:
        data, zero = bitmaps & _LOW, bitmaps >> np.uint64(32)
        contradicts = there & ((data & zero) != 0)
        note("clusters with parts that are data and zeros at once", contradicts)
        note("compressed clusters with a map of parts", compressed & (bitmaps != 0))
        note("parts of clusters that are not there", ~compressed & ~there & (data != 0) & ~_placed(layout, copied))
    elif layout.version < 3:  # noqa: PLR2004  # version 2 has no zero clusters
        note(
            "zero clusters, which version 2 does not have: reading them fails",
            ~compressed & ((values & np.uint64(ZERO_FLAG)) != 0),
        )


def _placed(layout: Layout, copied: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether an offset of 0 is a place: in a data file."""
    return copied if layout.external else np.zeros(len(copied), bool)
