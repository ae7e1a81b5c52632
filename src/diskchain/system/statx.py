"""What statx(2) tells beyond stat(2): birth time, mount id, immutable and append-only, all without opening the file.

Source: Linux ``include/uapi/linux/stat.h``.
"""

import os
import struct
from dataclasses import dataclass
from typing import Any, Final

from diskchain.system import libc

_BASIC_STATS: Final = 0x7FF
_BTIME: Final = 0x800
_MNT_ID: Final = 0x1000
_ATTR_IMMUTABLE: Final = 0x10
_ATTR_APPEND: Final = 0x20

# stx_mask, stx_attributes; stx_uid, stx_gid, stx_mode; stx_ino, stx_size; stx_attributes_mask; stx_btime; stx_rdev_*; stx_dev_*;
# stx_mnt_id
_HEAD: Final = struct.Struct("=I4xQ4xIIH2xQQ")
_MASK: Final = struct.Struct("=I")
_ATTRIBUTES_MASK: Final = (56, struct.Struct("=Q"))
_BIRTH: Final = (80, struct.Struct("=qI"))
_RDEV: Final = (128, struct.Struct("=II"))
_DEVICE: Final = (136, struct.Struct("=II"))
_MOUNT: Final = (144, struct.Struct("=Q"))


@dataclass(frozen=True, slots=True)
class Status:
    """One inode. ``mode`` includes the file type. ``birth`` in nanoseconds since the epoch; None: not recorded.

    ``immutable`` and ``append`` are None when the file system does not tell. ``size`` in bytes; ``rdev``: the device that a
    device file stands for, 0 for others.
    """

    device: int
    inode: int
    mode: int
    uid: int
    gid: int
    birth: int | None
    mount_id: int | None
    immutable: bool | None
    append: bool | None
    size: int = 0
    rdev: int = 0


def statx(descriptor: int) -> Status:
    """The status of an open file; one opened with O_PATH will do. Raises OSError."""
    buffer = libc.statx(descriptor, _BASIC_STATS | _BTIME | _MNT_ID)
    mask, attributes, uid, gid, mode, inode, size = _HEAD.unpack_from(buffer)
    (known,) = _at(_ATTRIBUTES_MASK, buffer)
    seconds, nanoseconds = _at(_BIRTH, buffer)
    (mount_id,) = _at(_MOUNT, buffer)
    return Status(
        device=os.makedev(*_at(_DEVICE, buffer)),
        inode=inode,
        mode=mode,
        uid=uid,
        gid=gid,
        birth=seconds * 1_000_000_000 + nanoseconds if mask & _BTIME else None,
        mount_id=mount_id if mask & _MNT_ID else None,
        immutable=bool(attributes & _ATTR_IMMUTABLE) if known & _ATTR_IMMUTABLE else None,
        append=bool(attributes & _ATTR_APPEND) if known & _ATTR_APPEND else None,
        size=size,
        rdev=os.makedev(*_at(_RDEV, buffer)),
    )


def birth(descriptor: int) -> int | None:
    """When an open file was made, in nanoseconds since 1970; None where that is not recorded. Raises OSError."""
    buffer = libc.statx(descriptor, _BTIME)
    seconds, nanoseconds = _at(_BIRTH, buffer)
    return seconds * 1_000_000_000 + nanoseconds if _MASK.unpack_from(buffer)[0] & _BTIME else None


def _at(field: tuple[int, struct.Struct], buffer: bytes) -> tuple[Any, ...]:
    offset, layout = field
    return layout.unpack_from(buffer, offset)
