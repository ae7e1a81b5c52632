"""VDI, VirtualBox's disk image: dynamic, static, undo and differencing.

A differencing image names its parent by UUID alone; where the parent is stands in VirtualBox's own registry. ``uuidLinkage`` is the
parent's UUID, ``uuidParentModify`` the parent's modification UUID when the child was made.
Source: VirtualBox ``VDICore.h`` (header version 1.1); limits as in QEMU ``block/vdi.c`` where a header contradicts itself.
"""

import struct
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.areas import Area, Effect, beyond, numbers, pieces
from diskchain.image.guid import NIL, guid_text
from diskchain.image.header import Identity, ImageHeader, header_text
from diskchain.image.window import Window
from diskchain.storage.terms import Format
from diskchain.units import KiB, MiB

SIGNATURE: Final = 0xBEDA107F
_VERSION: Final = 0x00010001

#: text; signature, version, header size, type, flags; comment; offsets of block map and data; cylinders, heads, sectors, sector size;
#: capacity, block size, extra bytes a block, blocks, allocated blocks; UUIDs: image, modification, link, parent's modification
_HEADER = struct.Struct("<64sIIIII256sIIIIII4xQIIII16s16s16s16s")

_KINDS: Final = {1: "dynamic", 2: "static", 3: "undo", 4: "differencing"}
_SECTOR: Final = 512
_SMALLEST_BLOCK: Final = 4 * KiB
_LARGEST_BLOCK: Final = 256 * MiB
_QEMUS_BLOCK: Final = MiB  # VDI_BLOCK_SIZE, the only one QEMU reads
_MOST_BLOCKS: Final = 0x1FFFFF80  # VDI_BLOCKS_IN_IMAGE_MAX
_ENTRY: Final = 4
_NO_BLOCK: Final = 0xFFFFFFFE  # VDI_DISCARDED; above it VDI_UNALLOCATED


def _bad(problem: str, offset: int) -> ImageError:
    return ImageError(problem, format="vdi", offset=offset)


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The header at the start of ``window``. Raises ImageError.

    QEMU opens only dynamic and static images with 1 MiB blocks and no parent; the others are read all the same.
    """
    (
        text, signature, version, header_size, kind, flags, comment, map_at, data_at, _cylinders, _heads, _sectors, sector,
        capacity, block_size, _extra, blocks, allocated, uuid, modification, link, parent_modification,
    ) = _HEADER.unpack(window.read(0, _HEADER.size))  # fmt: skip
    if signature != SIGNATURE:
        raise _bad("no VDI signature", 64)
    if version != _VERSION:
        raise _bad(f"unknown version {version >> 16}.{version & 0xFFFF}", 68)
    if kind not in _KINDS:
        raise _bad(f"unknown image type {kind}", 76)
    if sector != _SECTOR or map_at % _SECTOR or data_at % _SECTOR:
        raise _bad("its areas are not on sectors of 512 bytes", 340)
    if block_size & (block_size - 1) or not _SMALLEST_BLOCK <= block_size <= _LARGEST_BLOCK:
        raise _bad(f"block size of {block_size} bytes", 376)
    # Odd sizes come from `VBoxManage convertfromraw`; like QEMU, round them up.
    capacity = -(-capacity // _SECTOR) * _SECTOR
    if capacity > blocks * block_size:
        raise _bad(f"a capacity of {capacity} bytes in {blocks} blocks", 368)
    identity = None
    if uuid != NIL or link != NIL:
        identity = Identity(
            guid_text(uuid),
            guid_text(link) if link != NIL else None,
            own_state=guid_text(modification) if modification != NIL else None,
            parent_state=guid_text(parent_modification) if parent_modification != NIL else None,
        )
    details: list[tuple[str, str | int | bool]] = []
    if full:
        details = [("image type", _KINDS[kind]), ("header size", header_size), ("image flags", flags)]
        details += [("blocks", blocks), ("blocks allocated", allocated)]
        described = (("creator", text), ("comment", comment))
        details += [(name, shown) for name, raw in described if (shown := header_text(raw.split(b"\0", 1)[0]).strip())]
    problems = [f"blocks of {block_size} bytes"] if block_size != _QEMUS_BLOCK else []
    problems += [f"{blocks} blocks"] if blocks > _MOST_BLOCKS else []
    problems += ["a parent's state but no parent"] if link == NIL and parent_modification != NIL else []
    return ImageHeader(
        Format.VDI,
        capacity,
        cluster_size=block_size,
        identity=identity,
        details=tuple(details),
        remarks=tuple(("unsupported-image", f"QEMU does not open a VDI with {problem}") for problem in problems),
    )


def missing_areas(window: Window) -> list[Area]:
    """The areas of an image :func:`parse` can read that end behind the file. Raises ImageError, StorageError."""
    fields = _HEADER.unpack(window.read(0, _HEADER.size))
    map_at, data_at, block_size, extra, blocks, allocated = *fields[7:9], *fields[14:18]
    used = (entry for _, piece in pieces(window, map_at, blocks * _ENTRY, _ENTRY) for entry in numbers(piece, "<I"))
    count = max(allocated, max((entry + 1 for entry in used if entry < _NO_BLOCK), default=0))
    areas = [Area("its block map", map_at + blocks * _ENTRY, Effect.OTHER)]
    areas += [Area("its data", data_at + count * (block_size + extra), Effect.ZEROS)] if count else []
    return beyond(window, areas)
