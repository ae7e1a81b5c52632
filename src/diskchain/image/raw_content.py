"""What a raw image contains: partition tables, an ISO 9660 volume, a LUKS container, another format's signature.

An explicit act for people who look at an image. It never changes what ``raw`` means: the bytes stay the disk, whatever a guest wrote
into them. Sources: *UEFI Specification* 2.10, section 5 (GPT and protective MBR); ECMA-119.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.encryption import ImageEncryption
from diskchain.image.guid import NIL, guid_text
from diskchain.image.iso9660 import ISO_IDENTIFIER, ISO_IDENTIFIER_AT
from diskchain.image.luks.header import read_luks
from diskchain.image.magic import candidates, has_partition_table
from diskchain.image.other_files import other_file
from diskchain.image.probe import starts_with_luks
from diskchain.image.window import Window
from diskchain.storage.terms import Format
from diskchain.units import MiB

#: Logical block sizes a GPT may count in.
_BLOCK_SIZES: Final = (512, 4096)

#: status, type, first block, blocks of an MBR entry
_MBR_ENTRY = struct.Struct("<B3xB3xII")
_MBR_ENTRIES_AT: Final = 446
_PROTECTIVE: Final = 0xEE

#: signature, revision, header size, header CRC; this header, the other one; disk GUID; entries: first block, number, size, CRC
_GPT = struct.Struct("<8sIII4xQQ16x16sQIII")
_GPT_SIGNATURE: Final = b"EFI PART"
_GPT_CRC_AT: Final = 16
#: type, unique GUID, first and last block, attributes, name
_GPT_ENTRY = struct.Struct("<16s16sQQQ72s")
#: What a partition of an MBR may reach beyond the disk: old programs rounded up to whole cylinders (255 × 63 sectors).
_CYLINDER: Final = 255 * 63 * 512
#: In the primary volume descriptor: blocks, and their size, each with its big-endian twin left out
_ISO_SIZE = struct.Struct("<I44xH")
_ISO_SIZE_AT: Final = ISO_IDENTIFIER_AT - 1 + 80
ISO_VOLUME: Final = "an ISO 9660 volume"
_MOST_GPT_BYTES: Final = MiB  # ours; 128 entries of 128 bytes are usual


@dataclass(frozen=True, slots=True)
class Partition:
    """``start`` and ``size`` in bytes. ``kind``: the MBR type as two hex digits, or the GPT type GUID."""

    start: int
    size: int
    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class PartitionTable:
    """``scheme``: ``mbr`` or ``gpt``. ``sound``: whether a GPT's checksums are right (an MBR has none)."""

    scheme: str
    partitions: tuple[Partition, ...]
    sound: bool = True
    guid: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What in an image says how long it is. ``size``: in bytes, up to the last it needs."""

    what: str
    size: int

    @property
    def is_iso(self) -> bool:
        """Whether it is an ISO 9660 volume, which nobody writes to."""
        return self.what == ISO_VOLUME


@dataclass(frozen=True, slots=True)
class Content:
    """What was recognised. ``signatures``: image formats the bytes look like; ``raw`` among them means: bootable as raw, too.

    ``other``: what the file is if it begins like one that is no disk image, in words that follow "it is".
    """

    signatures: tuple[Format, ...]
    partition_table: PartitionTable | None = None
    iso_volume: str | None = None
    encryption: ImageEncryption | None = None
    other: str | None = None


def examine(window: Window) -> Content:
    """What the bytes look like. Whatever is malformed is left out. Raises StorageError from the window's fetch only."""
    found, _ = candidates(window)
    return Content(tuple(found), _partition_table(window), _iso_volume(window), _encryption(window), other_file(window))


def claimed_size(window: Window) -> Claim | None:
    """How long the image is by what is in it: an ISO 9660 volume, a GPT, partitions of an MBR. None: nothing says.

    Raises ImageError where that is malformed, StorageError from the window's fetch.
    """
    if window.size > _ISO_SIZE_AT + _ISO_SIZE.size and window.read(ISO_IDENTIFIER_AT - 1, 6) == b"\1" + ISO_IDENTIFIER:
        blocks, block_size = _ISO_SIZE.unpack(window.read(_ISO_SIZE_AT, _ISO_SIZE.size))
        return Claim(ISO_VOLUME, blocks * block_size)
    if not has_partition_table(window):
        return None
    entries = [*_MBR_ENTRY.iter_unpack(window.read(_MBR_ENTRIES_AT, 4 * _MBR_ENTRY.size))]
    if any(kind == _PROTECTIVE for _, kind, _, _ in entries):
        return next((claim for size in _BLOCK_SIZES if (claim := _gpt_claim(window, size)) is not None), None)
    end = max(start + blocks for _, kind, start, blocks in entries if kind and blocks) * 512
    return Claim("a partition", end) if end - window.size > _CYLINDER else None


def _gpt_claim(window: Window, block_size: int) -> Claim | None:
    header = window.read_up_to(block_size, 512)
    if len(header) < _GPT.size or not header.startswith(_GPT_SIGNATURE):
        return None
    _, _, size, checksum, _, other, _, _, _, _, _ = _GPT.unpack_from(header)
    covered = header[:_GPT_CRC_AT] + bytes(4) + header[_GPT_CRC_AT + 4 : size]
    return Claim("a partition table (GPT)", (other + 1) * block_size) if zlib.crc32(covered) == checksum else None


def _encryption(window: Window) -> ImageEncryption | None:
    if not starts_with_luks(window):
        return None
    try:
        return read_luks(window, full=True)
    except ImageError:
        return None


def _iso_volume(window: Window) -> str | None:
    if window.size < ISO_IDENTIFIER_AT + 2047 or window.read(ISO_IDENTIFIER_AT, 5) != ISO_IDENTIFIER:
        return None
    return window.read(ISO_IDENTIFIER_AT + 39, 32).decode("ascii", "backslashreplace").rstrip(" \0")


def _partition_table(window: Window) -> PartitionTable | None:
    if not has_partition_table(window):
        return None
    entries = _MBR_ENTRY.iter_unpack(window.read(_MBR_ENTRIES_AT, 4 * _MBR_ENTRY.size))
    partitions = [(kind, start, blocks) for _, kind, start, blocks in entries if kind and blocks]
    if any(kind == _PROTECTIVE for kind, _, _ in partitions):
        for block_size in _BLOCK_SIZES:
            try:
                if table := _gpt(window, block_size):
                    return table
            except ImageError:
                continue
    return PartitionTable(
        "mbr", tuple(Partition(start * 512, blocks * 512, f"{kind:02x}") for kind, start, blocks in partitions)
    )


def _gpt(window: Window, block_size: int) -> PartitionTable | None:
    """The GPT whose primary header is in the second block; None when there is none. Raises ImageError when it is malformed."""
    header = window.read(block_size, 512)
    signature, _, size, checksum, _, _, guid, first, number, entry_size, entries_checksum = _GPT.unpack_from(header)
    if signature != _GPT_SIGNATURE:
        return None
    if not _GPT.size <= size <= len(header) or entry_size < _GPT_ENTRY.size or number * entry_size > _MOST_GPT_BYTES:
        raise ImageError("a malformed GPT header", format="raw", offset=block_size)
    covered = header[:_GPT_CRC_AT] + bytes(4) + header[_GPT_CRC_AT + 4 : size]
    table = window.read(first * block_size, number * entry_size)
    partitions = []
    for at in range(0, len(table), entry_size):
        kind, _, start, last, _, name = _GPT_ENTRY.unpack_from(table, at)
        if kind != NIL and last >= start:
            text = name.decode("utf-16-le", "replace").split("\0", 1)[0]
            partitions.append(Partition(start * block_size, (last - start + 1) * block_size, guid_text(kind), text))
    sound = zlib.crc32(covered) == checksum and zlib.crc32(table) == entries_checksum
    return PartitionTable("gpt", tuple(partitions), sound, guid_text(guid))
