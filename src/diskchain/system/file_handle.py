"""File handles: finding an inode again after its name is gone, or learning that it no longer exists.

Needs CAP_DAC_READ_SEARCH, so it is a help where it works, never a condition.
Source: open_by_handle_at(2).
"""

import errno
import os
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from diskchain.system import libc

_MAX_HANDLE: Final = 128  # MAX_HANDLE_SZ
_HEAD: Final = struct.Struct("=Ii")  # handle_bytes, handle_type


class Fate(StrEnum):
    """What became of an inode."""

    DELETED = "deleted"
    MOVED = "moved"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """``path`` is where the inode is now, when it moved and that can be told."""

    fate: Fate
    path: str | None = None


def file_handle(descriptor: int) -> bytes | None:
    """A handle for an open file (O_PATH will do); None where the file system gives none."""
    try:
        handle = libc.name_to_handle_at(descriptor, _HEAD.pack(_MAX_HANDLE, 0) + bytes(_MAX_HANDLE))
    except OSError:
        return None
    size, _ = _HEAD.unpack_from(handle)
    return handle[: _HEAD.size + size]


def whereabouts(handle: bytes | None, directory: str) -> Whereabouts:
    """What became of the inode behind ``handle``. ``directory`` is any directory on its file system."""
    if handle is None:
        return Whereabouts(Fate.UNKNOWN)
    try:
        mount = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return Whereabouts(Fate.UNKNOWN)
    try:
        descriptor = libc.open_by_handle_at(mount, handle, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        return Whereabouts(Fate.DELETED if error.errno == errno.ESTALE else Fate.UNKNOWN)
    finally:
        os.close(mount)
    try:
        if os.fstat(descriptor).st_nlink == 0:
            return Whereabouts(Fate.DELETED)
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        return Whereabouts(Fate.MOVED, path if path.startswith("/") else None)
    except OSError:
        return Whereabouts(Fate.UNKNOWN)
    finally:
        os.close(descriptor)
