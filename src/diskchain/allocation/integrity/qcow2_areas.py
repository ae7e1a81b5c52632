"""What a qcow2 image has beside its L2 tables and data: header, L1 tables, refcounts, snapshots, bitmaps, the LUKS header. Where each is.

Source: QEMU ``block/qcow2-refcount.c`` (7.2, ``calculate_refcounts``), ``docs/interop/qcow2.txt``.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diskchain.allocation.container import Container
from diskchain.allocation.extents import I64
from diskchain.allocation.problems import Problems
from diskchain.allocation.qcow2_layout import COPIED, OFFSET_MASK, Layout
from diskchain.errors import ImageError
from diskchain.image.formats.qcow2.tables import bitmap_tables, snapshot_tables
from diskchain.units import MiB

_RESERVED: Final = 0x7F000000000001FF  # L1E_RESERVED_MASK
_BITMAPS: Final = 0x23852875
_CRYPTO_HEADER: Final = 0x0537BE77
_BITMAPS_VALID: Final = "bitmaps"
_MOST_L1: Final = 32 * MiB
#: Of a snapshot: the lengths of its id, its name and its extra data
_SNAPSHOT = struct.Struct(">12xHH20xI")
_TABLE_RESERVED: Final = 0xFF000000000001FE  # BME_TABLE_ENTRY_RESERVED_MASK


@dataclass(frozen=True, slots=True)
class Area:
    """Bytes of the file that belong to one thing."""

    what: str
    start: int
    length: int


class NamedTables:
    """An L1 table: the L2 tables its entries name, and which of them are marked as to be written in place."""

    __slots__ = ("copied", "offsets")

    def __init__(self, offsets: I64, copied: NDArray[np.bool_]) -> None:
        self.offsets = offsets
        self.copied = copied


def fixed_areas(container: Container, layout: Layout, problems: Problems) -> Iterator[Area]:
    """All but L1 tables and refcount blocks."""
    yield Area("the header", 0, layout.cluster)
    yield Area("the refcount table", layout.refcounts_at, layout.refcount_clusters << layout.bits)
    crypto = layout.extensions.get(_CRYPTO_HEADER)
    if crypto is not None:
        yield Area("the LUKS header", int.from_bytes(crypto[:8]), int.from_bytes(crypto[8:16]))
    features = layout.header.features
    extension = layout.extensions.get(_BITMAPS)
    if extension is not None and features is not None and _BITMAPS_VALID in features.autoclear:
        yield from _bitmap_areas(container, layout, extension, problems)


def _bitmap_areas(container: Container, layout: Layout, extension: bytes, problems: Problems) -> Iterator[Area]:
    number, size, at = int.from_bytes(extension[:4]), int.from_bytes(extension[8:16]), int.from_bytes(extension[16:24])
    yield Area("the bitmap directory", at, size)
    try:
        for bitmap, table_at, entries in bitmap_tables(container.window(), at, size, number):
            yield Area(f"the table of bitmap {bitmap.name}", table_at, entries * 8)
            raw = np.zeros(min(entries * 8, _MOST_L1), np.uint8)
            container.read_into(table_at, raw.data)
            values = raw.view(">u8").astype(np.uint64)
            wrong = int(np.count_nonzero(values & np.uint64(_TABLE_RESERVED)))
            problems.note(f"entries of the table of bitmap {bitmap.name} with reserved bits", count=wrong)
            for place in (values & np.uint64(OFFSET_MASK)).astype(np.int64).tolist():
                if place:
                    yield Area(f"bitmap {bitmap.name}", place, layout.cluster)
    except ImageError as error:
        problems.note(f"its bitmap directory cannot be read: {error}")


def snapshot_l1s(container: Container, layout: Layout, problems: Problems) -> list[Area]:
    """The snapshot table, then the L1 table of each internal snapshot; none where there are no snapshots."""
    if not layout.snapshot_count:
        return []
    tables: list[Area] = []
    end = layout.snapshots_at
    window = container.window()
    try:
        for snapshot, at, entries in snapshot_tables(window, layout.snapshots_at, layout.snapshot_count):
            tables.append(Area(f"the L1 table of snapshot {snapshot.name}", at, entries * 8))
            end = -(-end // 8) * 8
            fixed = container.read(end, _SNAPSHOT.size)
            id_length, name_length, extra = _SNAPSHOT.unpack(fixed)
            end += _SNAPSHOT.size + id_length + name_length + extra
    except (ImageError, struct.error) as error:
        problems.note(f"its snapshot table cannot be read: {error}")
    return [Area("the snapshot table", layout.snapshots_at, end - layout.snapshots_at), *tables]


def read_l1_table(
    container: Container, layout: Layout, what: str, at: int, entries: int, problems: Problems
) -> NamedTables:
    """The L1 table at ``at``. Tables that cannot be so are noted and left out. Raises StorageError."""
    if entries * 8 > _MOST_L1 or at % layout.cluster:
        problems.note(f"{what} is at {at:#x} and has {entries} entries, which cannot be so")
        return NamedTables(np.empty(0, np.int64), np.empty(0, bool))
    raw = np.zeros(entries * 8, np.uint8)
    container.read_into(at, raw.data)
    values = raw.view(">u8").astype(np.uint64)
    offsets = (values & np.uint64(OFFSET_MASK)).astype(np.int64)
    used = offsets != 0
    reserved = used & ((values & np.uint64(_RESERVED)) != 0)
    unaligned = used & ((offsets & (layout.cluster - 1)) != 0)
    beyond = used & (offsets + layout.cluster - container.size >= layout.cluster)
    for problem, which in (
        ("with reserved bits", reserved),
        ("that name an L2 table off a cluster", unaligned),
        ("that name an L2 table behind the end of the file", beyond),
    ):
        if which.any():
            places = tuple(f"entry {each} names {int(offsets[each]):#x}" for each in np.flatnonzero(which)[:3])
            problems.note(f"entries of {what} {problem}", places=places, count=int(which.sum()))
    kept = used & ~unaligned & ~beyond
    return NamedTables(offsets[kept], ((values & np.uint64(COPIED)) != 0)[kept])
