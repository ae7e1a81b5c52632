"""qcow, version 1: the copy-on-write format before qcow2. It records no backing format, and encrypts with AES-CBC at most.

Source: QEMU ``block/qcow.c``, whose limits on open we keep.
"""

import struct
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.areas import Area, Effect, beyond, numbers, pieces, tables
from diskchain.image.encryption import ImageEncryption
from diskchain.image.header import BackingReference, ImageHeader, header_text
from diskchain.image.window import Window
from diskchain.storage.terms import Format

MAGIC: Final = b"QFI\xfb"

#: magic, version, backing name offset and length, modification time, capacity, cluster bits, L2 bits, crypt method, L1 offset
_HEADER = struct.Struct(">4sIQIIQBB2xIQ")

_CLUSTER_BITS: Final = range(9, 17)
_L2_BITS: Final = range(6, 14)
_LONGEST_BACKING_NAME: Final = 1023
_LARGEST_L1: Final = (1 << 31) - 1  # bytes; INT_MAX
_CRYPT_AES: Final = 1
#: The guest sees whole sectors.
_SECTOR: Final = 512
_ENTRY: Final = 8
_COMPRESSED: Final = 1 << 63  # QCOW_OFLAG_COMPRESSED


def _bad(problem: str, offset: int) -> ImageError:
    return ImageError(problem, format="qcow", offset=offset)


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The header at the start of ``window``. Raises ImageError for anything QEMU would refuse to open."""
    magic, version, name_at, name_length, changed, capacity, cluster_bits, l2_bits, crypt, _l1_at = _HEADER.unpack(
        window.read(0, _HEADER.size)
    )
    if magic != MAGIC:
        raise _bad("no qcow magic", 0)
    if version != 1:
        raise _bad(f"unknown version {version}", 4)
    if capacity <= 1:
        raise _bad("a capacity of less than two bytes", 24)
    if cluster_bits not in _CLUSTER_BITS:
        raise _bad(f"cluster size of 2^{cluster_bits} bytes", 32)
    if l2_bits not in _L2_BITS:
        raise _bad(f"an L2 table of 2^{l2_bits} entries", 33)
    l1_entries = -(-capacity >> cluster_bits + l2_bits)
    if capacity > (1 << 64) - 1 - (1 << cluster_bits + l2_bits) or l1_entries * 8 > _LARGEST_L1:
        raise _bad(f"a capacity of {capacity} bytes, which its tables cannot hold", 24)
    if crypt > _CRYPT_AES:
        raise _bad(f"unknown encryption method {crypt}", 36)
    backing = None
    if name_at:
        if name_length > _LONGEST_BACKING_NAME:
            raise _bad(f"a backing file name of {name_length} bytes", 16)
        name = header_text(window.read(name_at, name_length).split(b"\0", 1)[0])
        backing = BackingReference(name) if name else None
    return ImageHeader(
        Format.QCOW,
        capacity & -_SECTOR,
        version,
        1 << cluster_bits,
        backing,
        encryption=ImageEncryption("aes", "aes-cbc-plain64" if full else None) if crypt else None,
        details=(("modification time", changed),) if full and changed else (),
    )


def missing_areas(window: Window) -> list[Area]:
    """The areas of an image :func:`parse` can read that end behind the file. Raises ImageError, StorageError."""
    fields = _HEADER.unpack(window.read(0, _HEADER.size))
    capacity, cluster_bits, l2_bits, l1_at = *fields[5:8], fields[9]
    length = -(-capacity >> cluster_bits + l2_bits) * _ENTRY
    l1 = [at for _, piece in pieces(window, l1_at, length, _ENTRY) for at in numbers(piece, ">Q") if at]
    areas = [Area("its L1 table", l1_at + length, Effect.BACKING)]
    areas += [Area("its L2 tables", max(l1) + (_ENTRY << l2_bits), Effect.BACKING)] if l1 else []
    end = 0
    for _, table in tables(window, l1, _ENTRY << l2_bits):
        for entry in filter(None, numbers(table, ">Q")):
            if entry & _COMPRESSED:  # offset in the lower bits, length in those above
                at, size = entry & (1 << 63 - cluster_bits) - 1, entry >> 63 - cluster_bits & (1 << cluster_bits) - 1
                end = max(end, at + size)
            else:
                end = max(end, entry + (1 << cluster_bits))
    return beyond(window, [*areas, Area("its data", end, Effect.ZEROS)])
