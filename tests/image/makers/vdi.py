"""VDI images as VirtualBox writes them (header version 1.1), with no block allocated. qemu-img makes no differencing ones."""

import struct
from typing import NamedTuple
from uuid import UUID

MiB = 1 << 20
DYNAMIC, STATIC, UNDO, DIFFERENCING = 1, 2, 3, 4
NIL = UUID(int=0)


class Vdi(NamedTuple):
    """What can vary. ``link`` is the parent's UUID, ``parent_modification`` the parent's modification UUID."""

    capacity: int = 20 * MiB
    uuid: UUID = NIL
    modification: UUID = NIL
    link: UUID = NIL
    parent_modification: UUID = NIL
    kind: int = DYNAMIC
    block_size: int = MiB
    comment: bytes = b""


def make(image: Vdi) -> bytes:
    """The image's bytes."""
    blocks = -(-image.capacity // image.block_size)
    map_at = 512
    data_at = -(-(map_at + 4 * blocks) // 512) * 512
    header = struct.pack(
        "<64sIIIII256sIIIIIIIQIIII16s16s16s16s",
        b"<<< Oracle VM VirtualBox Disk Image >>>\n", 0xBEDA107F, 0x00010001, 400, image.kind, 0, image.comment, map_at, data_at, 0, 0, 0, 512, 0,
        image.capacity, image.block_size, 0, blocks, 0, image.uuid.bytes_le, image.modification.bytes_le, image.link.bytes_le,
        image.parent_modification.bytes_le,
    )  # fmt: skip
    return header.ljust(map_at, b"\0") + (b"\xff" * (4 * blocks)).ljust(data_at - map_at, b"\0")
