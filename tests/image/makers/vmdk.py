"""VMDK images: descriptors, hosted sparse extents with and without a footer, ESX sparse (COWD) and SE-sparse, all without data.

Source: VMware *Virtual Disk Format* 5.0; for SE-sparse the header QEMU documents in ``block/vmdk.c``. qemu-img writes neither
differencing streams nor ESX formats.
"""

import struct
from collections.abc import Sequence

SECTOR = 512


def descriptor(
    extents: Sequence[str],
    *,
    create_type: str = "monolithicSparse",
    cid: str = "fffffffe",
    parent_cid: str = "ffffffff",
    parent: str | None = None,
    more: Sequence[str] = (),
) -> bytes:
    """The text of a descriptor; ``more``: further lines, after the parent's."""
    lines = [
        "# Disk DescriptorFile",
        "version=1",
        f"CID={cid}",
        f"parentCID={parent_cid}",
        f'createType="{create_type}"',
    ]
    if parent is not None:
        lines.append(f'parentFileNameHint="{parent}"')
    lines += [
        *more,
        "# Extent description",
        *extents,
        "",
        "# The Disk Data Base",
        "#DDB",
        'ddb.virtualHWVersion = "4"',
        "",
    ]
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _hosted_header(
    capacity: int,
    *,
    version: int = 1,
    flags: int = 3,
    descriptor_at: int = 1,
    grain_directory: int,
    compression: int = 0,
) -> bytes:
    header = struct.pack(
        "<4sIIQQQQIQQQB4sH",
        b"KDMV", version, flags, capacity // SECTOR, 128, descriptor_at, 20 if descriptor_at else 0, 512, 0, grain_directory, 128,
        0, b"\n \r\n", compression,
    )  # fmt: skip
    return header.ljust(SECTOR, b"\0")


def sparse(capacity: int, text: bytes, *, unclean: bool = False) -> bytes:
    """A hosted sparse extent with the descriptor inside, an empty grain directory, and no grains. 64 KiB and more."""
    header = bytearray(_hosted_header(capacity, grain_directory=21))
    header[72] = unclean
    tables = -(-capacity // (512 * 128 * SECTOR))
    directory_sectors = -(-tables * 4 // SECTOR)
    directory = struct.pack(f"<{tables}I", *(21 + directory_sectors + 4 * index for index in range(tables)))
    body = bytes(header) + text.ljust(20 * SECTOR, b"\0") + directory.ljust(directory_sectors * SECTOR, b"\0")
    return (body + bytes(tables * 4 * SECTOR)).ljust(128 * SECTOR, b"\0")


def stream_optimized(capacity: int, text: bytes) -> bytes:
    """A stream-optimized extent: its grain directory is found through a second header, 1024 bytes before the end."""
    first = _hosted_header(capacity, version=3, flags=0x30001, grain_directory=(1 << 64) - 1, compression=1)
    tables = -(-capacity // (512 * 128 * SECTOR))
    body = (first + text.ljust(20 * SECTOR, b"\0")).ljust(128 * SECTOR, b"\0")
    directory_at = len(body) // SECTOR + 1
    directory = _marker(1, 2) + bytes(max(SECTOR, -(-tables * 4 // SECTOR) * SECTOR))
    footer = _hosted_header(capacity, version=3, flags=0x30001, grain_directory=directory_at, compression=1)
    return body + directory + _marker(1, 3) + footer + bytes(SECTOR)


def _marker(value: int, kind: int) -> bytes:
    return struct.pack("<QII", value, 0, kind).ljust(SECTOR, b"\0")


def cowd(capacity: int, *, parent: bytes = b"", description: bytes = b"", unclean: bool = False) -> bytes:
    """An ESX sparse extent (``vmfsSparse``): its header of 2048 bytes and an empty grain directory."""
    entries = -(-capacity // (4096 * SECTOR))
    flags = 2 if parent else 3  # COWDISK_CHECKCAPABLE, COWDISK_ROOT
    start = struct.pack(
        "<4sIIIIIII", b"COWD", 1, flags, capacity // SECTOR, 1, 4, entries, 4 + -(-entries * 4 // SECTOR)
    )
    union = struct.pack("<1024sI", parent, 9) if parent else struct.pack("<III", 10, 16, 63).ljust(1028, b"\0")
    tail = struct.pack("<I60s512sI8xI", 0, b"disk", description, 0, unclean)
    return (start + union + tail).ljust(2048, b"\0") + bytes(-(-entries * 4 // SECTOR) * SECTOR)


def sesparse(capacity: int, *, replay: bool = False) -> bytes:
    """An SE-sparse extent: constant header, volatile header in the second sector, an empty grain directory."""
    tables = max(1, -(-capacity // (4096 * 8 * SECTOR)))
    directory_sectors = -(-tables * 8 // SECTOR)
    layout = (1, 1, 2, 1, 3, 1, 4, directory_sectors, 4 + directory_sectors, tables * 64, 0, 0, 0, 0, 0, 0)
    header = (
        struct.pack("<6Q", 0xCAFEBABE, 0x200000001, capacity // SECTOR, 8, 64, 0)
        + bytes(32)
        + struct.pack("<16Q", *layout)
    )
    volatile = struct.pack("<QQQ?", 0xCAFECAFE, 0, 0, replay)
    return (
        header.ljust(SECTOR, b"\0")
        + volatile.ljust(SECTOR, b"\0")
        + bytes((2 + directory_sectors + tables * 64) * SECTOR)
    )
