"""Parallels and Virtuozzo (ploop) expanding images. Snapshot chains of these live in ``DiskDescriptor.xml``, not in the header.

Source: QEMU ``docs/interop/parallels.rst``; limits as in ``block/parallels.c``.
"""

import struct
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.areas import Area, Effect, beyond, numbers, pieces
from diskchain.image.bitmap import Bitmap
from diskchain.image.guid import uuid_text
from diskchain.image.header import ImageHeader
from diskchain.image.window import Window
from diskchain.storage.terms import Format

MAGIC: Final = b"WithoutFreeSpace"
MAGIC_EXTENDED: Final = b"WithouFreSpacExt"

#: magic, version, heads, cylinders, cluster size (sectors), clusters, capacity (sectors), in use, data offset (sectors), flags,
#: offset of the format extension (sectors)
_HEADER = struct.Struct("<16sIIIIIQIIIQ")
_VERSION: Final = 2
_IN_USE: Final = 0x746F6E59
_SECTOR: Final = 512
_MOST_SECTORS_IN_CLUSTER: Final = ((1 << 31) - 1) // 513
_MOST_CLUSTERS: Final = ((1 << 31) - 1) // 4

#: Format extension: magic, MD5 of the rest of its cluster
_EXTENSION = struct.Struct("<Q16s")
_EXTENSION_MAGIC: Final = 0xAB234CEF23DCEA87
#: A feature of it: magic, flags, data size
_FEATURE = struct.Struct("<QQI4x")
_BITMAP_FEATURE: Final = 0x20385FAE252CB34A
#: A dirty bitmap: size (sectors), id, granularity (sectors), L1 entries
_BITMAP = struct.Struct("<Q16sII")
_MOST_FEATURES: Final = 1024  # ours
_ENTRY: Final = 4


def _bad(problem: str, offset: int) -> ImageError:
    return ImageError(problem, format="parallels", offset=offset)


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The header at the start of ``window``; ``full`` also reads dirty bitmaps. Raises ImageError."""
    (
        magic, version, heads, cylinders, cluster_sectors, clusters, sectors, in_use, data_at, _flags, extension_at,
    ) = _HEADER.unpack(window.read(0, _HEADER.size))  # fmt: skip
    if magic == MAGIC:
        sectors &= 0xFFFFFFFF
    elif magic != MAGIC_EXTENDED:
        raise _bad("no Parallels magic", 0)
    if version != _VERSION:
        raise _bad(f"unknown version {version}", 16)
    if not 0 < cluster_sectors <= _MOST_SECTORS_IN_CLUSTER:
        raise _bad(f"clusters of {cluster_sectors} sectors", 28)
    if clusters > _MOST_CLUSTERS:
        raise _bad(f"a table of {clusters} clusters", 32)
    if sectors >= 1 << 54:
        raise _bad(f"a capacity of {sectors} sectors", 36)
    details: list[tuple[str, str | int | bool]] = []
    if full:
        details = [("extended", magic == MAGIC_EXTENDED), ("heads", heads), ("cylinders", cylinders)]
        details += [("clusters", clusters), ("data offset", data_at * _SECTOR)]
    return ImageHeader(
        Format.PARALLELS,
        sectors * _SECTOR,
        version,
        cluster_sectors * _SECTOR,
        dirty=in_use == _IN_USE,
        bitmaps=_read_bitmaps(window, extension_at * _SECTOR, cluster_sectors * _SECTOR)
        if full and extension_at
        else (),
        details=tuple(details),
    )


def _read_bitmaps(window: Window, at: int, length: int) -> tuple[Bitmap, ...]:
    cluster = window.read(at, length)
    magic, _md5 = _EXTENSION.unpack_from(cluster)
    if magic != _EXTENSION_MAGIC:
        raise _bad("no format extension where the header says", at)
    bitmaps: list[Bitmap] = []
    position = _EXTENSION.size
    for _ in range(_MOST_FEATURES):
        if position + _FEATURE.size > length:
            return tuple(bitmaps)
        feature, _flags, size = _FEATURE.unpack_from(cluster, position)
        if feature == 0:
            return tuple(bitmaps)
        position += _FEATURE.size
        if size > length - position:
            raise _bad("a feature runs past the end of the format extension", at + position)
        if feature == _BITMAP_FEATURE:
            if size < _BITMAP.size:
                raise _bad("a dirty bitmap is cut short", at + position)
            _sectors, name, granularity, _l1 = _BITMAP.unpack_from(cluster, position)
            bitmaps.append(Bitmap(uuid_text(name), granularity * _SECTOR))
        position += (size + 7) & ~7
    raise _bad(f"more than {_MOST_FEATURES} features in the format extension", at)


def missing_areas(window: Window) -> list[Area]:
    """The areas of an image :func:`parse` can read that end behind the file. Raises ImageError, StorageError."""
    (
        magic, _, _, _, cluster_sectors, clusters, _, _, data_at, _, extension_at,
    ) = _HEADER.unpack(window.read(0, _HEADER.size))  # fmt: skip
    length, cluster = clusters * _ENTRY, cluster_sectors * _SECTOR
    last = max((max(numbers(piece, "<I")) for _, piece in pieces(window, _HEADER.size, length, _ENTRY)), default=0)
    areas = [Area("its block table", _HEADER.size + length, Effect.ZEROS)]
    areas += [Area("its format extension", extension_at * _SECTOR + cluster, Effect.EXTRAS)] if extension_at else []
    unit = cluster if magic == MAGIC_EXTENDED else _SECTOR
    areas += [Area("its data", last * unit + cluster, Effect.ZEROS)] if last else []
    # Reserved, and of no use without data. QEMU 10.0 counts sectors, and calls it an error where the first of data is behind the end.
    areas += [Area("the room before its data", (data_at - 1) * _SECTOR + 1, Effect.NOTHING)] if data_at else []
    return beyond(window, areas)
