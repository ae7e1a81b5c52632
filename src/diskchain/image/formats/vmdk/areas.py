"""What the header and the grain tables of a sparse VMDK extent say its file must hold. Belongs to ``vmdk``.

Two levels: a grain directory names grain tables, which name grains. Those of qemu-img and VMware's hosted products lie next to each
other at the start, so that one read takes many. Files that a descriptor names are looked at as files of their own.
Sources: as in ``vmdk``; SE-sparse as in QEMU 7.2 ``block/vmdk.c`` (``vmdk_open_se_sparse``, ``get_cluster_offset``).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from diskchain.image.areas import Area, Effect, beyond, numbers, pieces, tables
from diskchain.image.formats.vmdk import COWD, HOSTED, SECTOR, SESPARSE, read_cowd, read_hosted
from diskchain.image.window import Window

_ENTRY: Final = 4
_WIDE_ENTRY: Final = 8
_COWD_TABLE: Final = 4096  # entries of a grain table
_ZEROED: Final = 1  # VMDK_GTE_ZEROED: a grain of zeros
#: Before the compressed data of a grain: its first sector, and its length in bytes
_GRAIN_MARKER = struct.Struct("<QI")

#: Of the header of an SE-sparse extent, from byte 80: offsets and sizes, in sectors
_SESPARSE_PLACES = struct.Struct("<16Q")
_SESPARSE_FIXED = struct.Struct("<16xQQQ")  # capacity, grain size, grain table size, in sectors
_SESPARSE_NAMES: Final = (
    "its volatile header", "its journal header", "its journal", "its grain directory", "its grain tables",
    "its free bitmap", "its backmap",
)  # fmt: skip
_TABLE_INDEX: Final = 0xFFFFFFFF
_TABLE_MARK: Final = 0x1000000000000000
_KIND: Final = 0xF << 60
_ALLOCATED: Final = 3 << 60  # SESPARSE: 1 is unmapped, 2 zeros


@dataclass(frozen=True, slots=True)
class _Grains:
    """A map of two levels: where its directory is, and the entries of that. Sizes in bytes; ``capacity`` is the extent's."""

    directory_at: int
    entries: int
    table_size: int
    grain: int
    capacity: int


def missing_areas(window: Window) -> list[Area]:
    """The areas that end behind the file; none of a descriptor. Raises ImageError, StorageError."""
    start = window.read(0, 4)
    if start == HOSTED:
        sparse = read_hosted(window)
        if not sparse.capacity:
            return []
        capacity, grain, table = sparse.capacity * SECTOR, sparse.grain * SECTOR, sparse.table_entries
        entries = -(-sparse.capacity // (sparse.grain * table))
        grains = _Grains(sparse.directory_at * SECTOR, entries, table * _ENTRY, grain, capacity)
        return beyond(window, _areas(window, grains, compressed=sparse.compressed))
    if start == COWD:
        capacity, grain, directory_at, entries = read_cowd(window)
        grains = _Grains(directory_at, entries, _COWD_TABLE * _ENTRY, grain, capacity)
        return beyond(window, _areas(window, grains, compressed=False))
    if window.read_up_to(0, len(SESPARSE)) == SESPARSE:
        return beyond(window, _sesparse_areas(window))
    return []


def _areas(window: Window, grains: _Grains, *, compressed: bool) -> Iterator[Area]:
    yield Area("its grain directory", grains.directory_at + grains.entries * _ENTRY, Effect.BACKING)
    starts: dict[int, int] = {}
    for first, piece in pieces(window, grains.directory_at, grains.entries * _ENTRY, _ENTRY):
        starts.update((each * SECTOR, first + number) for number, each in enumerate(numbers(piece, "<I")) if each)
    if not starts:
        return
    yield Area("its grain tables", max(starts) + grains.table_size, Effect.BACKING)
    last, number = 0, 0
    for at, table in tables(window, list(starts), grains.table_size):
        entries = numbers(table, "<I")
        highest = max(entries)
        if highest > last:
            last, number = highest, starts[at] * len(entries) + entries.index(highest)
    if last <= _ZEROED:
        return
    at = last * SECTOR
    if compressed:
        yield Area("its data", _compressed_end(window, at), Effect.FAILS)
    else:
        # Of the last grain of the disk the disk may need only a part.
        needed = min(grains.grain, grains.capacity - number * grains.grain)
        yield Area("its data", at + max(1, needed), Effect.ZEROS)


def _compressed_end(window: Window, at: int) -> int:
    """Where the data of the grain with its marker at ``at`` ends; at least behind the marker."""
    end = at + _GRAIN_MARKER.size
    if end > window.size:
        return end
    length: int = _GRAIN_MARKER.unpack(window.read(at, _GRAIN_MARKER.size))[1]
    return end + length


def _sesparse_areas(window: Window) -> Iterator[Area]:
    capacity, grain, table_sectors = _SESPARSE_FIXED.unpack(window.read(0, _SESPARSE_FIXED.size))
    places = _SESPARSE_PLACES.unpack(window.read(80, _SESPARSE_PLACES.size))
    for name, at, size in zip(_SESPARSE_NAMES, places[::2], places[1::2], strict=False):
        yield Area(name, (at + size) * SECTOR, Effect.REFUSES if name == _SESPARSE_NAMES[0] else Effect.BACKING)
    directory_at, tables_at, grains_at = (places[number] * SECTOR for number in (6, 8, 14))
    length = table_sectors * SECTOR
    if not (grain and length):
        return
    entries = -(-capacity // (grain * (length // _WIDE_ENTRY)))
    starts = [
        tables_at + (each & _TABLE_INDEX) * length
        for _, piece in pieces(window, directory_at, entries * _WIDE_ENTRY, _WIDE_ENTRY)
        for each in numbers(piece, "<Q")
        if each & ~_TABLE_INDEX == _TABLE_MARK
    ]
    last = -1
    for _, table in tables(window, starts, length):
        for entry in numbers(table, "<Q"):
            if entry & _KIND == _ALLOCATED:
                last = max(last, entry >> 48 & 0xFFF | (entry & (1 << 48) - 1) << 12)
    if last >= 0:
        yield Area("its data", grains_at + (last + 1) * grain * SECTOR, Effect.ZEROS)
