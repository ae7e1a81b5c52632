"""VHDX images, dynamic and differencing, as *[MS-VHDX]* lays them out, with no block allocated. 4 MiB and 64 KiB each.

| at | what |
| 0 | file identifier |
| 64 KiB, 128 KiB | headers |
| 192 KiB, 256 KiB | region tables |
| 1 MiB | log (empty) |
| 2 MiB | metadata region of 1 MiB; its table, then items from 64 KiB on |
| 3 MiB | block allocation table |
"""

import struct
from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

KiB = 1 << 10
MiB = 1 << 20
LOG_AT, METADATA_AT, BAT_AT = MiB, 2 * MiB, 3 * MiB

BAT = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
METADATA = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
FILE_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
VIRTUAL_DISK_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
VIRTUAL_DISK_ID = UUID("beca12ab-b2e6-4523-93ef-c309e000c746")
LOGICAL_SECTOR_SIZE = UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
PHYSICAL_SECTOR_SIZE = UUID("cda348c7-445d-4471-9cc9-e9885251c556")
PARENT_LOCATOR = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
VHDX_LOCATOR = UUID("b04aefb7-d19e-4a81-b789-25b8e9445913")

_IS_VIRTUAL_DISK, _IS_REQUIRED = 1 << 1, 1 << 2


class Vhdx(NamedTuple):
    """What can vary. ``sequences``: of the two headers; ``log``: the GUID of a log, and whether there is an ``entry`` of it to be replayed; ``locator``: keys and values."""

    capacity: int = 20 * MiB
    block_size: int = 2 * MiB
    sector_size: int = 512
    data_write: UUID = UUID(int=7)
    disk_id: UUID = UUID(int=8)
    sequences: tuple[int, int] = (1, 2)
    log: UUID = UUID(int=0)
    entry: bool = True
    locator: Mapping[str, str] | None = None
    extra_region: UUID | None = None


def crc32c(data: bytes) -> int:
    """Bit by bit, from the definition (RFC 3720, B.4); over the few bytes that are not trailing zeros it is fast enough."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def sealed(structure: bytes) -> bytes:
    """A header or region table with its checksum (bytes 4 to 7) put in place."""
    return structure[:4] + struct.pack("<I", crc32c(structure)) + structure[8:]


def make(image: Vhdx) -> bytes:
    """The image's bytes."""
    data = bytearray(4 * MiB + 64 * KiB)
    data[0:8] = b"vhdxfile"
    data[8:40] = "a test's maker!!".encode("utf-16-le")
    for at, sequence in zip((64 * KiB, 128 * KiB), image.sequences, strict=True):
        header = struct.pack(
            "<4sIQ16s16s16sHHIQ",
            b"head", 0, sequence, UUID(int=5).bytes_le, image.data_write.bytes_le, image.log.bytes_le, 0, 1, MiB, LOG_AT,
        )  # fmt: skip
        data[at : at + 4 * KiB] = sealed(header.ljust(4 * KiB, b"\0"))
    if image.log.int and image.entry:
        data[LOG_AT : LOG_AT + 4 * KiB] = _log_entry(image.log, len(data))
    regions = [(BAT, BAT_AT, MiB), (METADATA, METADATA_AT, MiB)]
    if image.extra_region:
        regions.append((image.extra_region, 4 * MiB, 64 * KiB))
    table = struct.pack("<4sIII", b"regi", 0, len(regions), 0)
    table += b"".join(struct.pack("<16sQII", guid.bytes_le, at, length, 1) for guid, at, length in regions)
    table = sealed(table.ljust(64 * KiB, b"\0"))
    data[192 * KiB : 256 * KiB] = table
    data[256 * KiB : 320 * KiB] = table
    metadata = _metadata(image)
    data[METADATA_AT : METADATA_AT + len(metadata)] = metadata
    return bytes(data)


def _log_entry(log: UUID, size: int) -> bytes:
    """One entry, which writes zeros over the last 4 KiB."""
    entry = struct.pack("<4sIIIQII16sQQ", b"loge", 0, 4 * KiB, 0, 1, 1, 0, log.bytes_le, size, size)
    entry += struct.pack("<4sIQQQ", b"zero", 0, 4 * KiB, size - 4 * KiB, 1)
    return sealed(entry.ljust(4 * KiB, b"\0"))


def _metadata(image: Vhdx) -> bytes:
    has_parent = 1 << 1 if image.locator is not None else 0
    items = [
        (FILE_PARAMETERS, struct.pack("<II", image.block_size, has_parent), _IS_REQUIRED),
        (VIRTUAL_DISK_SIZE, struct.pack("<Q", image.capacity), _IS_REQUIRED | _IS_VIRTUAL_DISK),
        (VIRTUAL_DISK_ID, image.disk_id.bytes_le, _IS_REQUIRED | _IS_VIRTUAL_DISK),
        (LOGICAL_SECTOR_SIZE, struct.pack("<I", image.sector_size), _IS_REQUIRED | _IS_VIRTUAL_DISK),
        (PHYSICAL_SECTOR_SIZE, struct.pack("<I", 4096), _IS_REQUIRED | _IS_VIRTUAL_DISK),
    ]
    if image.locator is not None:
        items.append((PARENT_LOCATOR, _locator(image.locator), _IS_REQUIRED))
    table = struct.pack("<8sHH20x", b"metadata", 0, len(items))
    content = b""
    for guid, item, flags in items:
        table += struct.pack("<16sIIII", guid.bytes_le, 64 * KiB + len(content), len(item), flags, 0)
        content += item
    return table.ljust(64 * KiB, b"\0") + content


def _locator(pairs: Mapping[str, str]) -> bytes:
    head = VHDX_LOCATOR.bytes_le + struct.pack("<HH", 0, len(pairs))
    at = len(head) + 12 * len(pairs)
    entries, text = b"", b""
    for key, value in pairs.items():
        raw_key, raw_value = key.encode("utf-16-le"), value.encode("utf-16-le")
        entries += struct.pack("<IIHH", at, at + len(raw_key), len(raw_key), len(raw_value))
        text += raw_key + raw_value
        at += len(raw_key) + len(raw_value)
    return head + entries + text
