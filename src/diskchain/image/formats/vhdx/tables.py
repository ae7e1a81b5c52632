"""The structures inside a VHDX: region table, metadata table, parent locator. Belongs to the ``vhdx`` format.

Source: Microsoft *[MS-VHDX]: Virtual Hard Disk v2 File Format*, 2.2.3 (regions), 2.6 (metadata).
"""

import struct
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.formats.vhdx.crc32c import crc32c
from diskchain.image.guid import guid_text
from diskchain.image.window import Window
from diskchain.units import KiB, MiB

#: signature, checksum, entries
_REGION_TABLE = struct.Struct("<4sII4x")
#: GUID, offset, length, required
_REGION = struct.Struct("<16sQII")
_REGION_TABLE_SIZE: Final = 64 * KiB
_REGION_TABLES_AT: Final = (192 * KiB, 256 * KiB)
#: signature, entries
_METADATA_TABLE = struct.Struct("<8s2xH20x")
#: GUID, offset in the region, length, flags
_METADATA = struct.Struct("<16sIII4x")
#: type, entries
_LOCATOR = struct.Struct("<16s2xH")
#: offsets of key and value, lengths of key and value
_LOCATOR_ENTRY = struct.Struct("<IIHH")

_MOST_ENTRIES: Final = 2047
#: Ours; five keys are specified. Entries may share their text, so a small item could unfold to gigabytes.
_MOST_LOCATOR_ENTRIES: Final = 64
_LARGEST_ITEM: Final = MiB
_SMALLEST_ITEM_OFFSET: Final = 64 * KiB
_REQUIRED: Final = 1 << 2  # of a metadata entry's flags: IsRequired

BAT_REGION: Final = "2dc27766-f623-4200-9d64-115e9bfd4a08"
METADATA_REGION: Final = "8b7ca206-4790-4b9a-b8fe-575f050f886e"
FILE_PARAMETERS: Final = "caa16737-fa36-4d43-b3b6-33f0aa44e76b"
VIRTUAL_DISK_SIZE: Final = "2fa54224-cd1b-4876-b211-5dbed83bf4b8"
VIRTUAL_DISK_ID: Final = "beca12ab-b2e6-4523-93ef-c309e000c746"
LOGICAL_SECTOR_SIZE: Final = "8141bf1d-a96f-4709-ba47-f233a8faab5f"
PHYSICAL_SECTOR_SIZE: Final = "cda348c7-445d-4471-9cc9-e9885251c556"
PARENT_LOCATOR: Final = "a8d35f2d-b30b-454d-abf7-d3d84834ab0c"

_KNOWN_REGIONS: Final = frozenset({BAT_REGION, METADATA_REGION})
_KNOWN_ITEMS: Final = frozenset(
    {FILE_PARAMETERS, VIRTUAL_DISK_SIZE, VIRTUAL_DISK_ID, LOGICAL_SECTOR_SIZE, PHYSICAL_SECTOR_SIZE, PARENT_LOCATOR}
)


def _bad(problem: str, offset: int) -> ImageError:
    return ImageError(problem, format="vhdx", offset=offset)


def read_regions(window: Window) -> tuple[dict[str, tuple[int, int]], list[str], bool]:
    """Regions as GUID to (offset, length), required ones nobody knows, and whether the first copy of the table was sound.

    Raises ImageError when both copies are broken, or when the metadata or the block allocation table is missing.
    """
    for at in _REGION_TABLES_AT:
        table = window.read(at, _REGION_TABLE_SIZE)
        signature, checksum, entries = _REGION_TABLE.unpack_from(table)
        if signature != b"regi" or entries > _MOST_ENTRIES or crc32c(table[:4] + bytes(4) + table[8:]) != checksum:
            continue
        rows = table[_REGION_TABLE.size : _REGION_TABLE.size + entries * _REGION.size]
        regions = {}
        unknown = []
        for guid, offset, length, required in _REGION.iter_unpack(rows):
            name = guid_text(guid)
            if name in regions:
                raise _bad(f"region {name} is there twice", at)
            regions[name] = (offset, length)
            if required & 1 and name not in _KNOWN_REGIONS:
                unknown.append(name)
        if METADATA_REGION not in regions or BAT_REGION not in regions:
            raise _bad("a region is missing", at)
        _check_places(regions, window.size, at)
        return regions, unknown, at == _REGION_TABLES_AT[0]
    raise _bad("both copies of the region table are broken", _REGION_TABLES_AT[0])


def _check_places(regions: dict[str, tuple[int, int]], size: int, at: int) -> None:
    """Raises ImageError when regions overlap, or when one of the two known is not in whole MiB behind the first, or not in the file."""
    for offset, length in (regions[BAT_REGION], regions[METADATA_REGION]):
        if offset < MiB or offset % MiB or length % MiB or not length:
            raise _bad(f"a region of {length} bytes at {offset}, which is not its place", at)
        if offset >= size:
            raise _bad("a region is outside the file", at)
    end = 0
    for offset, length in sorted(regions.values()):
        if offset < end and length:
            raise _bad(f"a region of {length} bytes at {offset} overlaps another", at)
        end = max(end, offset + length)


class Metadata:
    """The metadata region of ``window``. Raises ImageError when its table is malformed. ``unknown``: required items nobody knows."""

    def __init__(self, window: Window, offset: int, length: int) -> None:
        self._window = window
        self.offset = offset
        self._length = length
        signature, entries = _METADATA_TABLE.unpack(window.read(offset, _METADATA_TABLE.size))
        if signature != b"metadata" or entries > _MOST_ENTRIES:
            raise _bad("no metadata table", offset)
        rows = window.read(offset + _METADATA_TABLE.size, entries * _METADATA.size)
        self._items: dict[str, tuple[int, int]] = {}
        self.unknown: list[str] = []
        for guid, item_at, item_length, flags in _METADATA.iter_unpack(rows):
            name = guid_text(guid)
            self._items.setdefault(name, (item_at, item_length))
            if flags & _REQUIRED and name not in _KNOWN_ITEMS:
                self.unknown.append(name)

    def item(self, guid: str) -> bytes:
        """The item's bytes. Raises ImageError when it is missing or lies outside the region."""
        if guid not in self._items:
            raise _bad(f"metadata item {guid} is missing", self.offset)
        at, length = self._items[guid]
        if length > _LARGEST_ITEM or at < _SMALLEST_ITEM_OFFSET or at + length > self._length:
            raise _bad(f"metadata item {guid} is outside its region", self.offset)
        return self._window.read(self.offset + at, length)

    def number(self, guid: str, size: int) -> int:
        """The item as an integer of ``size`` bytes. Raises ImageError."""
        raw = self.item(guid)
        if len(raw) < size:
            raise _bad(f"metadata item {guid} has {len(raw)} bytes", self.offset)
        return int.from_bytes(raw[:size], "little")


def parent_locator(item: bytes) -> tuple[str, dict[str, str]]:
    """The type (a GUID) and the key/value pairs of a parent locator item. Raises ImageError."""
    if len(item) < _LOCATOR.size:
        raise _bad("the parent locator is cut short", 0)
    kind, entries = _LOCATOR.unpack_from(item)
    if entries > _MOST_LOCATOR_ENTRIES:
        raise _bad(f"a parent locator of {entries} entries", 0)
    if _LOCATOR.size + entries * _LOCATOR_ENTRY.size > len(item):
        raise _bad(f"a parent locator of {entries} entries is cut short", 0)
    pairs: dict[str, str] = {}
    rows = item[_LOCATOR.size : _LOCATOR.size + entries * _LOCATOR_ENTRY.size]
    for key_at, value_at, key_length, value_length in _LOCATOR_ENTRY.iter_unpack(rows):
        if max(key_at + key_length, value_at + value_length) > len(item):
            raise _bad("a parent locator entry is outside the item", 0)
        key = _text(item[key_at : key_at + key_length])
        pairs.setdefault(key, _text(item[value_at : value_at + value_length]))
    return guid_text(kind), pairs


def _text(raw: bytes) -> str:
    return raw.decode("utf-16-le", "replace").split("\0", 1)[0]
