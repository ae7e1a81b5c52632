"""QED, QEMU's enhanced disk format: qcow2's rival of 2010.

It does not record the backing format; one bit says that the backing file is raw and must not be probed.
Source: QEMU ``docs/interop/qed_spec.rst``; limits as in ``block/qed.c``.
"""

import struct
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.areas import Area, Effect, beyond, numbers, pieces, tables
from diskchain.image.header import BackingReference, Features, ImageHeader, header_text
from diskchain.image.window import Window
from diskchain.storage.terms import Format
from diskchain.units import KiB, MiB

MAGIC: Final = b"QED\x00"

#: magic; cluster size (bytes), table and header size (clusters); incompatible, compatible, autoclear features; L1 offset;
#: capacity; backing name offset and length
_HEADER = struct.Struct("<4sIIIQQQQQII")

_BACKING_FILE: Final = 1 << 0  # QED_F_BACKING_FILE
_NEED_CHECK: Final = 1 << 1  # QED_F_NEED_CHECK
_NO_PROBE: Final = 1 << 2  # QED_F_BACKING_FORMAT_NO_PROBE
_NAMES: Final = ("backing file", "need check", "backing format no probe")

_SMALLEST_CLUSTER: Final = 4 * KiB
_LARGEST_CLUSTER: Final = 64 * MiB
_LARGEST_TABLE: Final = 16  # clusters
_LONGEST_BACKING_NAME: Final = 1023
_SECTOR: Final = 512
_ENTRY: Final = 8


def _bad(problem: str, offset: int) -> ImageError:
    return ImageError(problem, format="qed", offset=offset)


def _power_of_two(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The header at the start of ``window``. Raises ImageError for what QEMU refuses, except features it does not know."""
    (
        magic, cluster_size, table_size, header_size, incompatible, compatible, autoclear, l1_at, capacity, name_at, name_length,
    ) = _HEADER.unpack(window.read(0, _HEADER.size))  # fmt: skip
    if magic != MAGIC:
        raise _bad("no QED magic", 0)
    if not _power_of_two(cluster_size) or not _SMALLEST_CLUSTER <= cluster_size <= _LARGEST_CLUSTER:
        raise _bad(f"cluster size of {cluster_size} bytes", 4)
    if not _power_of_two(table_size) or not 1 < table_size <= _LARGEST_TABLE:
        raise _bad(f"a table of {table_size} clusters", 8)
    entries = table_size * cluster_size // 8
    if capacity % _SECTOR or capacity > entries * entries * cluster_size:
        raise _bad(f"a capacity of {capacity} bytes", 48)
    if l1_at % cluster_size or not l1_at:
        raise _bad("the L1 table is not on a cluster boundary", 40)
    if header_size * cluster_size >= 1 << 32:
        raise _bad(f"a header of {header_size} clusters", 12)
    end_of_file = -(-window.size // _SECTOR) * _SECTOR
    if l1_at < header_size * cluster_size or l1_at + (table_size - 1) * cluster_size >= end_of_file:
        raise _bad("the L1 table is inside the header, or outside the file", 40)
    backing = None
    if incompatible & _BACKING_FILE:
        if name_at + name_length > header_size * cluster_size or name_length > _LONGEST_BACKING_NAME:
            raise _bad("the backing file name is not inside the header, or too long", 56)
        name = header_text(window.read(name_at, name_length).split(b"\0", 1)[0])
        if name:
            backing = BackingReference(name, "raw" if incompatible & _NO_PROBE else None)
    return ImageHeader(
        Format.QED,
        capacity,
        cluster_size=cluster_size,
        backing=backing,
        features=_features(incompatible, compatible, autoclear),
        dirty=bool(incompatible & _NEED_CHECK),
        details=(("table size", table_size), ("header size", header_size)) if full else (),
    )


def _features(incompatible: int, compatible: int, autoclear: int) -> Features | None:
    if not incompatible | compatible | autoclear:
        return None
    bits = [bit for bit in range(64) if incompatible >> bit & 1]
    return Features(
        tuple(_NAMES[bit] if bit < len(_NAMES) else f"bit {bit}" for bit in bits),
        tuple(f"bit {bit}" for bit in range(64) if compatible >> bit & 1),
        tuple(f"bit {bit}" for bit in range(64) if autoclear >> bit & 1),
        tuple(f"bit {bit}" for bit in bits if bit >= len(_NAMES)),
    )


def missing_areas(window: Window) -> list[Area]:
    """The areas of an image :func:`parse` can read that end behind the file. Raises ImageError, StorageError."""
    fields = _HEADER.unpack(window.read(0, _HEADER.size))
    cluster_size, table_size, l1_at = fields[1], fields[2], fields[7]
    length = table_size * cluster_size
    l1 = [at for _, piece in pieces(window, l1_at, length, _ENTRY) for at in numbers(piece, "<Q") if at]
    areas = [Area("its L1 table", l1_at + length, Effect.REFUSES)]
    areas += [Area("its L2 tables", max(l1) + length, Effect.FAILS)] if l1 else []
    last = max((max(numbers(table, "<Q")) for _, table in tables(window, l1, length)), default=0)
    # 1 is a cluster of zeros; a cluster that begins in the file is there, and what is missing of it reads as zeros
    if last > 1:
        effect = Effect.FAILS if last >= window.size else Effect.ZEROS
        areas.append(Area("its data", last + cluster_size, effect))
    return beyond(window, areas)
