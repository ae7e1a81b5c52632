"""What QEMU 7.2 asks of a qcow2 header before it opens the image, in full and in words. Belongs to ``qcow2``.

Imported only for headers that one quick test finds remarkable: nearly none is.

Source: QEMU ``docs/interop/qcow2.txt``; limits as ``qcow2_do_open`` and ``qcow2_read_extensions`` enforce them, which were measured.
"""

import struct
from typing import Any, Final

from diskchain.errors import ImageError
from diskchain.units import MiB

_VERSION_3_SIZE: Final = 104
_COMPRESSION: Final = 1 << 3
_EXTENDED_L2: Final = 1 << 4
_EXTERNAL_DATA: Final = 1 << 2
_RAW_EXTERNAL: Final = 1 << 1
_COMPRESSION_TYPES: Final = 2  # zlib, zstd
_EXTENDED_L2_CLUSTER_BITS: Final = 14  # 32 subclusters of 512 bytes (MIN_CLUSTER_BITS) at least

_L1_ENTRY: Final = 8
_SMALLEST_SNAPSHOT: Final = 40  # QCowSnapshotHeader
_LARGEST_L1: Final = 32 * MiB  # QCOW_MAX_L1_SIZE
_LARGEST_REFCOUNT_TABLE: Final = 8 * MiB  # QCOW_MAX_REFTABLE_SIZE
_MOST_SNAPSHOTS: Final = 65536  # QCOW_MAX_SNAPSHOTS
_MOST_L1_ENTRIES: Final = (1 << 31) - 1  # INT_MAX, asked of the capacity first
_WIDEST_REFCOUNT_ORDER: Final = 6  # 64 bits
_FARTHEST: Final = (1 << 63) - (1 << 30)  # BDRV_MAX_LENGTH: QEMU reads nothing behind it

_BITMAPS: Final = struct.Struct(">IIQQ")
_LARGEST_DIRECTORY: Final = 65535 * 1024  # QCOW2_MAX_BITMAP_DIRECTORY_SIZE
_MOST_BITMAPS: Final = 65535  # QCOW2_MAX_BITMAPS
_CRYPTO_POINTER: Final = struct.Struct(">QQ")
_CRYPT_LUKS: Final = 2  # QCOW_CRYPT_LUKS
_LUKS_HEADER: Final = 592  # of LUKS1, up to the end of its key slots


def _bad(problem: str, offset: int) -> ImageError:
    return ImageError(problem, format="qcow2", offset=offset)


def check_fields(fixed: tuple[Any, ...], head: bytes) -> None:
    """Raise ImageError where QEMU would not open an image with these fields, as ``qcow2`` unpacks them from ``head``.

    Takes version and cluster size for granted. Says nothing of feature bits QEMU does not know.
    """
    cluster_bits, capacity, l1_size, l1_at, refcounts_at, refcount_clusters, snapshots, snapshots_at = (
        fixed[4], fixed[5], *fixed[7:13],
    )  # fmt: skip
    incompatible, autoclear, refcount_order, header_length = fixed[13], *fixed[15:18]
    cluster_size = 1 << cluster_bits
    if header_length > cluster_size:
        raise _bad(f"a header of {header_length} bytes", 100)
    _check_compression(incompatible, head[_VERSION_3_SIZE] if min(header_length, len(head)) > _VERSION_3_SIZE else 0)
    if incompatible & _EXTENDED_L2 and cluster_bits < _EXTENDED_L2_CLUSTER_BITS:
        raise _bad(f"extended L2 entries with clusters of only {cluster_size} bytes", 20)
    if refcount_order > _WIDEST_REFCOUNT_ORDER:
        raise _bad(f"refcounts of 2^{refcount_order} bits", 96)
    if not refcount_clusters:
        raise _bad("no refcount table", 56)
    _check_table(
        "the refcount table", refcounts_at, refcount_clusters, cluster_size, _LARGEST_REFCOUNT_TABLE, fixed, 48
    )
    snapshot_bytes = _SMALLEST_SNAPSHOT * _MOST_SNAPSHOTS
    if snapshots > _MOST_SNAPSHOTS:
        raise _bad(f"{snapshots} snapshots", 60)
    _check_table("the snapshot table", snapshots_at, snapshots, _SMALLEST_SNAPSHOT, snapshot_bytes, fixed, 64)
    _check_table("the L1 table", l1_at, l1_size, _L1_ENTRY, _LARGEST_L1, fixed, 40)
    mapped_bits = 2 * cluster_bits - (4 if incompatible & _EXTENDED_L2 else 3)  # by one entry: a cluster of L2 entries
    needed = (capacity + (1 << mapped_bits) - 1) >> mapped_bits
    if needed > min(l1_size, _MOST_L1_ENTRIES):
        raise _bad(f"an L1 table of {l1_size} entries, where a capacity of {capacity} bytes needs {needed}", 36)
    if autoclear & _RAW_EXTERNAL and not incompatible & _EXTERNAL_DATA:
        raise _bad("marked as having a raw data file, and has no data file", 88)


def _check_compression(incompatible: int, type: int) -> None:
    if type >= _COMPRESSION_TYPES:
        raise _bad(f"unknown compression type {type}", _VERSION_3_SIZE)
    if (type != 0) is not (incompatible & _COMPRESSION != 0):
        raise _bad(f"compression type {type}, and its feature bit is {'un' if type else ''}set", _VERSION_3_SIZE)


def _check_table(
    what: str, offset: int, entries: int, entry: int, largest: int, fixed: tuple[Any, ...], at: int
) -> None:
    """As ``qcow2_validate_table``. ``at``: where the header has the offset."""
    size = entries * entry
    if size > largest:
        raise _bad(f"{what} has {size} bytes, more than {largest}", at)
    if offset % (1 << fixed[4]):
        raise _bad(f"{what} begins at {offset}, which is not the start of a cluster", at)
    if offset + size >= _FARTHEST and (size or offset >= 1 << 63):
        raise _bad(f"{what} begins at {offset}, where no image reaches", at)


def check_pointers(cluster_size: int, crypt: int, bitmaps: bytes | None, crypto: bytes | None) -> None:
    """Raise ImageError where QEMU would refuse these extensions; None: there is none that counts."""
    if bitmaps is not None:
        if len(bitmaps) != _BITMAPS.size:
            raise _bad(f"a bitmaps extension of {len(bitmaps)} bytes", 0)
        number, reserved, size, offset = _BITMAPS.unpack(bitmaps)
        if reserved or not 0 < number <= _MOST_BITMAPS or size > _LARGEST_DIRECTORY or offset % cluster_size:
            raise _bad(f"a directory of {number} bitmaps in {size} bytes at {offset}", 0)
    if crypto is not None:
        if crypt != _CRYPT_LUKS:
            raise _bad("a pointer to a LUKS header, and not encrypted with LUKS", 32)
        if len(crypto) != _CRYPTO_POINTER.size:
            raise _bad(f"a pointer to the LUKS header of {len(crypto)} bytes", 32)
        at, length = _CRYPTO_POINTER.unpack(crypto)
        if at % cluster_size:
            raise _bad(f"the LUKS header begins at {at}, which is not the start of a cluster", 32)
        if length < _LUKS_HEADER:
            raise _bad(f"a LUKS header of {length} bytes", 32)
    elif crypt == _CRYPT_LUKS:
        raise _bad("encrypted with LUKS, and no pointer to the LUKS header", 32)
