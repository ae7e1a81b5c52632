"""Small images in formats that no tool at hand writes any more: bochs, cloop, cow, DMG, and bitmaps in a Parallels image."""

import hashlib
import plistlib
import struct
import zlib
from typing import Any
from uuid import UUID

SECTOR = 512


def bochs(capacity: int, *, subtype: bytes = b"Growing", version: int = 0x00020000, extent: int = 4096) -> bytes:
    """An empty redolog: header of 512 bytes, catalog with nothing allocated."""
    entries = -(-capacity // extent)
    header = struct.pack(
        "<32s16s16sIIIII", b"Bochs Virtual HD Image", b"Redolog", subtype, version, 512, entries, 1, extent
    )
    header += struct.pack("<Q" if version == 0x00010000 else "<4xQ", capacity)
    return header.ljust(512, b"\0") + b"\xff" * (4 * entries)


def cloop(content: bytes, block_size: int = 4096) -> bytes:
    """A cloop 2.0 image of ``content``, whose length is a multiple of ``block_size``."""
    script = b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n"
    blocks = [zlib.compress(content[at : at + block_size]) for at in range(0, len(content), block_size)]
    offsets = [128 + 8 + 8 * (len(blocks) + 1)]
    for block in blocks:
        offsets.append(offsets[-1] + len(block))
    head = script.ljust(128, b"\0") + struct.pack(">II", block_size, len(blocks))
    return head + struct.pack(f">{len(offsets)}Q", *offsets) + b"".join(blocks)


def cow(capacity: int, backing: bytes = b"", *, changed: int = 0, version: int = 2) -> bytes:
    """A User-mode Linux overlay; ``changed``: modification time of the backing file."""
    if version == 2:
        header = struct.pack(">4sI1024sIQI", b"OOOM", 2, backing, changed, capacity, SECTOR)
    else:
        header = struct.pack(">4sIIQIII4096s", b"OOOM", 3, changed, capacity, SECTOR, 4096, 0, backing)
    return header.ljust(8192, b"\0")


def dmg(content: bytes, segment: UUID, *, number: int = 1, count: int = 1) -> bytes:
    """An uncompressed DMG: ``content`` (whole sectors), a property list with one block map, the koly trailer."""
    sectors = len(content) // SECTOR
    mish = struct.pack(">4sIQQQII24xII128sI", b"mish", 1, 0, sectors, 0, 0, 0, 2, 32, bytes(128), 2)
    mish += struct.pack(">IIQQQQ", 1, 0, 0, sectors, 0, len(content))  # raw
    mish += struct.pack(">IIQQQQ", 0xFFFFFFFF, 0, sectors, 0, len(content), 0)  # end of the map
    tables: dict[str, Any] = {"resource-fork": {"blkx": [{"ID": "0", "Name": "disk", "Data": mish}]}}
    plist = plistlib.dumps(tables)
    trailer = struct.pack(
        ">4sIIIQQQQQII16s", b"koly", 4, 512, 1, 0, 0, len(content), 0, 0, number, count, segment.bytes
    )
    trailer = trailer.ljust(216, b"\0") + struct.pack(">QQ", len(content), len(plist))
    trailer = trailer.ljust(488, b"\0") + struct.pack(">IQ", 1, sectors)
    return content + plist + trailer.ljust(512, b"\0")


def encrypted_dmg(content: bytes, uuid: UUID, *, version: int = 2) -> bytes:
    """An encrypted DMG whose ``content`` stands for the encrypted bytes; no key is in it."""
    if version == 1:
        return content + uuid.bytes.ljust(1268, b"\0") + b"cdsaencr"
    header = struct.pack(
        ">8sIIIIIII16sIQQI", b"encrcdsa", 2, 16, 5, 0x80000001, 256, 91, 160, uuid.bytes, SECTOR, len(content), 4096, 0
    )
    return header.ljust(4096, b"\0") + content


def parallels_with_bitmap(capacity: int, bitmap: UUID, granularity: int, *, in_use: bool = False) -> bytes:
    """An extended Parallels image of 64 KiB clusters whose format extension, in the second cluster, holds one dirty bitmap."""
    cluster = 128
    clusters = -(-capacity // (cluster * SECTOR))
    header = struct.pack(
        "<16sIIIIIQIIIQ",
        b"WithouFreSpacExt", 2, 16, 0, cluster, clusters, capacity // SECTOR, 0x746F6E59 if in_use else 0, cluster, 0, cluster,
    )  # fmt: skip
    tables = -(-capacity // (granularity * 8 * cluster * SECTOR))
    data = struct.pack("<Q16sII", capacity // SECTOR, bitmap.bytes, granularity // SECTOR, tables) + bytes(8 * tables)
    rest = (struct.pack("<QQI4x", 0x20385FAE252CB34A, 0, len(data)) + data).ljust(cluster * SECTOR - 24, b"\0")
    extension = struct.pack("<Q", 0xAB234CEF23DCEA87) + hashlib.md5(rest, usedforsecurity=False).digest() + rest
    return header.ljust(cluster * SECTOR, b"\0") + extension
