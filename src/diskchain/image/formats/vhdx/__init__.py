"""VHDX: Hyper-V's disk format, with a log, metadata items and a parent locator.

A differencing image names its parent by path, and by the GUID (``parent_linkage``) that the parent's header had as *data write
GUID*: that GUID changes whenever the parent's contents do. While Hyper-V merges the parent into *its* parent, that of what will then be
the parent is noted in advance (``parent_linkage2``): a match of either is a match.
Source: Microsoft *[MS-VHDX]*, 2.2 (header) and 2.6 (metadata); limits as in QEMU 7.2 ``block/vhdx.c``.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.formats.vhdx.crc32c import crc32c
from diskchain.image.formats.vhdx.tables import (
    BAT_REGION,
    FILE_PARAMETERS,
    LOGICAL_SECTOR_SIZE,
    METADATA_REGION,
    PARENT_LOCATOR,
    PHYSICAL_SECTOR_SIZE,
    VIRTUAL_DISK_ID,
    VIRTUAL_DISK_SIZE,
    Metadata,
    parent_locator,
    read_regions,
)
from diskchain.image.guid import NIL, guid_text
from diskchain.image.header import BackingReference, Features, Identity, ImageHeader
from diskchain.image.window import Window
from diskchain.storage.terms import Format
from diskchain.units import KiB, MiB, TiB

SIGNATURE: Final = b"vhdxfile"
_CREATOR_AT: Final = 8
_CREATOR_SIZE: Final = 512

#: signature, checksum, sequence number, file write GUID, data write GUID, log GUID, log version, version, log length and offset
_HEADER = struct.Struct("<4sIQ16s16s16sHHIQ")
_HEADER_SIZE: Final = 4 * KiB
#: Of an entry of the log, which begins at a multiple of 4 KiB with ``loge``: the log's GUID (2.3.1.1)
_LOG_ENTRY = struct.Struct("<32x16s")
_LOG_SECTOR: Final = 4 * KiB
_LONGEST_LOG: Final = 4 * MiB  # ours; 1 MiB is usual
_HEADERS_AT: Final = (64 * KiB, 128 * KiB)
_VERSION: Final = 1

_LEAVE_ALLOCATED: Final = 1 << 0
_HAS_PARENT: Final = 1 << 1
_SMALLEST_BLOCK: Final = MiB
_LARGEST_BLOCK: Final = 256 * MiB
_LARGEST_CAPACITY: Final = 64 * TiB
_SECTOR_SIZES: Final = (512, 4096)
_SECTORS_OF_BITMAPS: Final = 1 << 23  # VHDX_MAX_SECTORS_PER_BLOCK
_BAT_ENTRY: Final = 8

_VHDX_LOCATOR: Final = "b04aefb7-d19e-4a81-b789-25b8e9445913"
#: Relative paths first: an image that was copied together with its parent still finds it.
_PATH_KEYS: Final = ("relative_path", "absolute_win32_path", "volume_path")


@dataclass(frozen=True, slots=True)
class _Header:
    sequence: int
    file_write: bytes
    data_write: bytes
    log: bytes
    log_version: int
    log_length: int
    log_at: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes in bytes. ``parent``: it is a differencing disk; ``reserved``: blocks stay allocated, as those of a fixed disk do."""

    capacity: int
    block_size: int
    sector_size: int
    parent: bool
    reserved: bool

    @property
    def chunk(self) -> int:
        """Payload blocks that one block of sector bitmaps is for; its entry comes behind theirs."""
        return _SECTORS_OF_BITMAPS * self.sector_size // self.block_size

    @property
    def last_payload(self) -> int:
        """The number of the last payload block's entry in the block table."""
        last = max(0, -(-self.capacity // self.block_size) - 1)
        return last + last // self.chunk

    @property
    def last_size(self) -> int:
        """The bytes of the last payload block that the disk has a use for: QEMU asks for no more."""
        return self.capacity % self.block_size or self.block_size

    @property
    def entries(self) -> int:
        """Entries of the block table, as QEMU and the specification (2.5) count them."""
        blocks = -(-self.capacity // self.block_size)
        if self.parent:
            return -(-blocks // self.chunk) * (self.chunk + 1)
        return blocks + max(0, blocks - 1) // self.chunk


def _bad(problem: str, offset: int) -> ImageError:
    return ImageError(problem, format="vhdx", offset=offset)


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The current header, the metadata and the parent locator of ``window``. Raises ImageError.

    ``dirty``: a log is there that whoever opens the image for writing has to replay first.
    """
    if window.read(0, len(SIGNATURE)) != SIGNATURE:
        raise _bad("no VHDX signature", 0)
    header, remarks = current_header(window, full=full)
    regions, unknown, first_sound = read_regions(window)
    _check_log(header, regions)
    if not first_sound:
        remarks.append(
            (
                "qemu-refuses",
                "the first copy of the region table is broken: QEMU refuses to open it, as it does not look at the second",
            )
        )
    metadata = Metadata(window, *regions[METADATA_REGION])
    shape = read_layout(metadata)
    if shape.entries * _BAT_ENTRY > regions[BAT_REGION][1]:
        raise _bad(
            f"a block table of {regions[BAT_REGION][1]} bytes, too small for the capacity", regions[BAT_REGION][0]
        )
    pairs = _parent(metadata) if shape.parent else {}
    path = next((pairs[key].replace("\\", "/") for key in _PATH_KEYS if pairs.get(key)), None)
    unknown += metadata.unknown
    details: list[tuple[str, str | int | bool]] = []
    if full:
        details = _details(window, header, metadata, shape)
        details += [(f"parent locator {key}", value) for key, value in pairs.items()]
    return ImageHeader(
        Format.VHDX,
        shape.capacity,
        _VERSION,
        shape.block_size,
        BackingReference(path, "vhdx", implied=True) if path else None,
        features=Features(tuple(unknown), unknown_incompatible=tuple(unknown)) if unknown else None,
        dirty=header.log != NIL and _has_entries(window, header),
        identity=Identity(
            guid_text(header.data_write),
            _linkage(pairs, "parent_linkage"),
            parent_names=tuple(pairs[key] for key in _PATH_KEYS if pairs.get(key)),
            parent_or=_linkage(pairs, "parent_linkage2"),
        ),
        details=tuple(details),
        remarks=tuple(remarks),
    )


def read_layout(metadata: Metadata) -> Layout:
    """How capacity and blocks follow from ``metadata``. Raises ImageError."""
    parameters = metadata.number(FILE_PARAMETERS, 8)
    block_size, flags = parameters & 0xFFFFFFFF, parameters >> 32
    if block_size & (block_size - 1) or not _SMALLEST_BLOCK <= block_size <= _LARGEST_BLOCK:
        raise _bad(f"blocks of {block_size} bytes", metadata.offset)
    sector_size = metadata.number(LOGICAL_SECTOR_SIZE, 4)
    if sector_size not in _SECTOR_SIZES:
        raise _bad(f"sectors of {sector_size} bytes", metadata.offset)
    capacity = metadata.number(VIRTUAL_DISK_SIZE, 8)
    if capacity > _LARGEST_CAPACITY or capacity % sector_size:
        raise _bad(f"a capacity of {capacity} bytes", metadata.offset)
    return Layout(capacity, block_size, sector_size, bool(flags & _HAS_PARENT), bool(flags & _LEAVE_ALLOCATED))


def current_header(window: Window, *, full: bool) -> tuple[_Header, list[tuple[str, str]]]:
    """The sound header with the higher sequence number; ``full`` also looks whether the other one is broken."""
    headers = []
    for at in _HEADERS_AT:
        raw = window.read(at, _HEADER_SIZE)
        (
            signature, checksum, sequence, file_write, data_write, log, log_version, version, log_length, log_at,
        ) = _HEADER.unpack_from(raw)  # fmt: skip
        if signature == b"head" and version == _VERSION:
            header = _Header(sequence, file_write, data_write, log, log_version, log_length, log_at)
            headers.append((header, checksum, raw))
    headers.sort(key=lambda found: found[0].sequence, reverse=True)
    sound = [header for header, checksum, raw in headers[: None if full else 1] if _sound(raw, checksum)]
    if not sound and not full:
        return current_header(window, full=True)
    if not sound:
        raise _bad("both headers are broken, or of an unknown version", _HEADERS_AT[0])
    broken = full and len(sound) < len(_HEADERS_AT)
    return sound[0], [("malformed", "one of the two headers is broken")] if broken else []


def _check_log(header: _Header, regions: Mapping[str, tuple[int, int]]) -> None:
    """Raises ImageError when the log is not in whole MiB behind the first, is of another version, or overlaps a region.

    QEMU minds the place of a log that holds nothing as well, but not its length.
    """
    at, length, end = header.log_at, header.log_length, header.log_at + header.log_length
    if at < MiB or at % MiB:
        raise _bad(f"a log at {at}, which is not its place", _HEADERS_AT[0])
    if header.log_version:
        raise _bad(f"a log of unknown version {header.log_version}", _HEADERS_AT[0])
    if header.log != NIL and (length % MiB or at >> 63):
        raise _bad(f"a log of {length} bytes at {at}", _HEADERS_AT[0])
    for start, size in regions.values():
        if start < end and start + size > at:
            raise _bad(f"a region of {size} bytes at {start} overlaps the log", _HEADERS_AT[0])


def _has_entries(window: Window, header: _Header) -> bool:
    """Whether the log holds an entry to be replayed. The checksums of entries are not looked at; of a log too long, the start is."""
    if header.log_at >= window.size:
        return False
    length = min(header.log_length, _LONGEST_LOG)
    log = window.read_up_to(header.log_at, length)
    entries = (log[at : at + _LOG_ENTRY.size] for at in range(0, len(log) - _LOG_ENTRY.size, _LOG_SECTOR))
    return length < header.log_length or any(
        entry.startswith(b"loge") and _LOG_ENTRY.unpack(entry)[0] == header.log for entry in entries
    )


def _sound(raw: bytes, checksum: int) -> bool:
    return crc32c(raw[:4] + bytes(4) + raw[8:]) == checksum


def _parent(metadata: Metadata) -> dict[str, str]:
    kind, pairs = parent_locator(metadata.item(PARENT_LOCATOR))
    if kind != _VHDX_LOCATOR:
        raise _bad(f"a parent locator of unknown type {kind}", 0)
    return pairs


def _linkage(pairs: dict[str, str], key: str) -> str | None:
    guid = pairs.get(key, "").strip("{}").lower()
    return guid if guid.strip("0-") else None  # all zeros: none


def _details(window: Window, header: _Header, metadata: Metadata, shape: Layout) -> list[tuple[str, str | int | bool]]:
    creator = window.read(_CREATOR_AT, _CREATOR_SIZE).decode("utf-16-le", "replace").split("\0", 1)[0]
    return [
        ("creator", creator),
        ("sequence number", header.sequence),
        ("file write guid", guid_text(header.file_write)),
        ("virtual disk id", guid_text(metadata.item(VIRTUAL_DISK_ID)[:16].ljust(16, b"\0"))),
        ("logical sector size", shape.sector_size),
        ("physical sector size", metadata.number(PHYSICAL_SECTOR_SIZE, 4)),
        ("leave blocks allocated", shape.reserved),
        ("log size", header.log_length),
    ]
