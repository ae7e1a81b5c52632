"""Bochs "redolog" images: growing disks, and the undoable and volatile overlays of a flat disk, which they do not name.

Source: Bochs ``iodev/hdimage/hdimage.h`` (redolog header versions 1 and 2); limits as in QEMU ``block/bochs.c``.
"""

import struct
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.areas import Area, Effect, beyond, numbers, pieces
from diskchain.image.header import ImageHeader, header_text
from diskchain.image.window import Window
from diskchain.storage.terms import Format

MAGIC: Final = b"Bochs Virtual HD Image"

#: magic, type, subtype, version, header size, catalog entries, bitmap size, extent size
_HEADER = struct.Struct("<32s16s16sIIIII")
_VERSION_1: Final = 0x00010000
_VERSION_2: Final = 0x00020000
_CAPACITY_AT: Final = {_VERSION_1: 84, _VERSION_2: 88}  # version 2 put a timestamp before it

_GROWING: Final = b"Growing"
_ONLY_GROWING: Final = "QEMU opens only growing images: this one holds the changes of a disk that it does not name"
_SUBTYPES: Final = (_GROWING, b"Undoable", b"Volatile")
_MOST_CATALOG_ENTRIES: Final = 0x100000
_SMALLEST_EXTENT: Final = 512
_LARGEST_EXTENT: Final = 0x800000
_ENTRY: Final = 4
_NO_EXTENT: Final = 0xFFFFFFFF


def _bad(problem: str, offset: int) -> ImageError:
    return ImageError(problem, format="bochs", offset=offset)


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The header at the start of ``window``. Raises ImageError. QEMU opens growing images only."""
    magic, kind, subtype, version, _size, entries, _bitmap, extent = _HEADER.unpack(window.read(0, _HEADER.size))
    subtype = subtype.split(b"\0", 1)[0]
    if magic.split(b"\0", 1)[0] != MAGIC or kind.split(b"\0", 1)[0] != b"Redolog":
        raise _bad("no Bochs redolog magic", 0)
    if subtype not in _SUBTYPES:
        raise _bad(f"unknown subtype {header_text(subtype)}", 48)
    if version not in _CAPACITY_AT:
        raise _bad(f"unknown version {version:#x}", 64)
    if extent & (extent - 1) or not _SMALLEST_EXTENT <= extent <= _LARGEST_EXTENT:
        raise _bad(f"extents of {extent} bytes", 80)
    at = _CAPACITY_AT[version]
    capacity = int.from_bytes(window.read(at, 8), "little") // 512 * 512
    if entries > _MOST_CATALOG_ENTRIES or capacity > entries * extent:
        raise _bad(f"a catalog of {entries} entries for {capacity} bytes", 72)
    return ImageHeader(
        Format.BOCHS,
        capacity,
        version >> 16,
        extent,
        remarks=() if subtype == _GROWING else (("unsupported-image", _ONLY_GROWING),),
        details=(("subtype", subtype.decode("ascii")), ("catalog size", entries)) if full else (),
    )


def missing_areas(window: Window) -> list[Area]:
    """The areas of an image :func:`parse` can read that end behind the file. Raises ImageError, StorageError."""
    *_, header_size, entries, bitmap, extent = _HEADER.unpack(window.read(0, _HEADER.size))
    data_at = header_size + entries * _ENTRY
    used = (each for _, piece in pieces(window, header_size, entries * _ENTRY, _ENTRY) for each in numbers(piece, "<I"))
    count = max((entry + 1 for entry in used if entry != _NO_EXTENT), default=0)
    areas = [Area("its catalog", data_at, Effect.OTHER)]
    # Each extent comes with its bitmap, and both are rounded up to sectors.
    size = (-(-bitmap // 512) + -(-extent // 512)) * 512
    areas += [Area("its data", data_at + count * size, Effect.FAILS)] if count else []
    return beyond(window, areas)
