"""VHD images, fixed, dynamic and differencing, as Microsoft's *Virtual Hard Disk Image Format Specification* 1.0 lays them out.

A dynamic image here: footer copy (512 bytes), dynamic header (1024), data of the parent locators (512 each), block allocation table with
no block allocated, footer. qemu-img cannot make differencing ones.
"""

import struct
from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

SECTOR = 512
#: Seconds between 1970 and VHD's epoch, 2000-01-01.
EPOCH = 946684800
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
NIL = UUID(int=0)


def _sealed(header: bytes, checksum_at: int) -> bytes:
    """``header`` with its checksum, the complement of the sum of all other bytes, put in place."""
    checksum = sum(header) ^ 0xFFFFFFFF
    return header[:checksum_at] + struct.pack(">I", checksum) + header[checksum_at + 4 :]


def footer(
    kind: int,
    capacity: int,
    unique: UUID,
    *,
    creator: bytes = b"win ",
    geometry: tuple[int, int, int] = (65535, 16, 255),
) -> bytes:
    """A hard disk footer of 512 bytes; ``capacity`` in bytes."""
    body = struct.pack(
        ">8sIIQI4sI4sQQHBBII16sB",
        b"conectix", 2, 0x00010000, (1 << 64) - 1 if kind == FIXED else SECTOR, 700000000, creator, 0x000A0000, b"Wi2k",
        capacity, capacity, *geometry, kind, 0, unique.bytes, 0,
    )  # fmt: skip
    return _sealed(body.ljust(SECTOR, b"\0"), 64)


def fixed(content: bytes, unique: UUID = NIL) -> bytes:
    """A fixed disk: the content, then the footer."""
    return content + footer(FIXED, len(content), unique)


class Parent(NamedTuple):
    """Whom a differencing disk names. ``time`` in seconds since 1970; ``locators``: platform code to data, in order."""

    unique: UUID
    time: int
    name: str
    locators: Mapping[str, bytes]


def dynamic(capacity: int, unique: UUID = NIL, *, block_size: int = 2 << 20) -> bytes:
    """An empty dynamic disk."""
    return _sparse(DYNAMIC, capacity, unique, block_size, Parent(NIL, EPOCH, "", {}))


def differencing(capacity: int, unique: UUID, parent: Parent, *, block_size: int = 2 << 20) -> bytes:
    """An empty differencing disk."""
    return _sparse(DIFFERENCING, capacity, unique, block_size, parent)


def windows_path(path: str) -> bytes:
    """The data of a ``W2ru`` or ``W2ku`` locator."""
    return path.encode("utf-16-le")


def _sparse(kind: int, capacity: int, unique: UUID, block_size: int, parent: Parent) -> bytes:
    entries = -(-capacity // block_size)
    data_at = SECTOR + 1024
    table, data = b"", b""
    for code, text in parent.locators.items():
        space = -(-len(text) // SECTOR) * SECTOR
        table += struct.pack(">4sIIIQ", code.encode("ascii"), space, len(text), 0, data_at + len(data))
        data += text.ljust(space, b"\0")
    bat_at = data_at + len(data)
    header = struct.pack(
        ">8sQQIIII16sII512s192s",
        b"cxsparse", (1 << 64) - 1, bat_at, 0x00010000, entries, block_size, 0, parent.unique.bytes, parent.time - EPOCH, 0,
        parent.name.encode("utf-16-be"), table,
    )  # fmt: skip
    bat = b"\xff" * (-(-entries * 4 // SECTOR) * SECTOR)
    end = footer(kind, capacity, unique)
    return end + _sealed(header.ljust(1024, b"\0"), 36) + data + bat + end
