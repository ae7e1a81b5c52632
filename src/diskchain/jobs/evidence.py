"""What a file is like now, against what a job knows of it: identity, size, time of change, first cluster. Reads, and changes nothing.

The pointer of a qcow2 image is in its first cluster, which one write replaces. So that cluster says where a pointer stands: it is the old
one, or it is the new one with all else equal, or a mixture of sectors that only a write cut short leaves behind, or foreign.
"""

import hashlib
import os
import stat
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from diskchain.errors import ImageError, StorageError
from diskchain.image.inspect import inspect
from diskchain.image.window import Window
from diskchain.jobs.plan import Repoint, SeenFile
from diskchain.readers.local import storage_error
from diskchain.storage.terms import Format
from diskchain.system.deadline import DEFAULT_DEADLINE, within
from diskchain.system.statx import statx

#: Enough for what is no qcow2 image, or one with small clusters.
_HEAD_BYTES: Final = 65536
_LARGEST_CLUSTER: Final = 2 << 20
_QCOW2: Final = b"QFI\xfb"
#: QEMU ``docs/interop/qcow2.txt``: what a change of the pointer leaves alone, but for feature bits and extensions.
_FIXED_FIELDS: Final = (slice(0, 8), slice(20, 72))
_CLUSTER_BITS: Final = 20
_MOST_BITS: Final = 21
_SECTOR: Final = 512


class PointerState(StrEnum):
    """Where a pointer stands."""

    OLD = "old"
    NEW = "new"
    TORN = "torn"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Head:
    """A file's first cluster and what else tells whether it changed."""

    seen: SeenFile
    cluster: bytes


def look(path: str, seconds: float = DEFAULT_DEADLINE) -> Head:
    """The file at ``path`` as it is now. Raises StorageError."""
    return within(seconds, path, lambda: _look(path))


def look_all(paths: Sequence[str], seconds: float = DEFAULT_DEADLINE) -> list[Head]:
    """Many files at once: one question to storage, which costs less than one for each. Raises StorageError."""
    return within(seconds, paths[0], lambda: list(map(_look, paths))) if paths else []


def _look(path: str) -> Head:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise storage_error(error, path) from error
    try:
        status, more = statx(descriptor), os.fstat(descriptor)
        cluster = os.pread(descriptor, _HEAD_BYTES, 0)
        size = cluster_size(cluster)
        if size > _HEAD_BYTES:
            cluster += os.pread(descriptor, size - _HEAD_BYTES, _HEAD_BYTES)
        cluster = cluster[:size]
        length = os.lseek(descriptor, 0, os.SEEK_END) if stat.S_ISBLK(more.st_mode) else more.st_size
    except OSError as error:
        raise storage_error(error, path) from error
    finally:
        os.close(descriptor)
    digest = hashlib.sha256(cluster.rstrip(b"\0")).hexdigest()  # mostly zeros, and a deep chain has many
    identity = (status.device, status.inode, status.birth)
    if stat.S_ISBLK(more.st_mode):
        identity = (0, status.rdev, None)
    return Head(SeenFile(path, *identity, length, more.st_mtime_ns, digest), cluster)


def cluster_size(head: bytes) -> int:
    """How many bytes one write of the header takes: the cluster of a qcow2 image, 64 KiB for others."""
    if head[:4] != _QCOW2 or len(head) < _CLUSTER_BITS + 4:
        return _HEAD_BYTES
    (bits,) = struct.unpack_from(">I", head, _CLUSTER_BITS)
    return min(max(1 << bits, _SECTOR), _LARGEST_CLUSTER) if bits <= _MOST_BITS else _HEAD_BYTES


def same_file(one: SeenFile, other: SeenFile) -> bool:
    """Whether both are one file, whatever was written to it. Device numbers may change over a reboot, so birth times vouch, too."""
    if one.birth is not None and other.birth is not None:
        return (one.inode, one.birth) == (other.inode, other.birth)
    return (one.device, one.inode) == (other.device, other.inode)


def unchanged(one: SeenFile, other: SeenFile) -> bool:
    """Whether both are one file to which nothing was written between."""
    return same_file(one, other) and (one.size, one.modified, one.head) == (other.size, other.modified, other.head)


def pointer_state(pointer: Repoint, old: bytes, now: bytes) -> PointerState:
    """Where the pointer stands in a qcow2 image whose first cluster was ``old`` right before it was to change, and is ``now``.

    ``OLD`` also where something else of the header has changed since, as it does when a guest runs.
    """
    if now == old:
        return PointerState.OLD
    if len(now) != len(old) or any(now[part] != old[part] for part in _FIXED_FIELDS):
        named = backing_of(now)
        return PointerState.OLD if named == (pointer.old, pointer.old_format) else PointerState.FOREIGN
    named = backing_of(now)
    if named == (pointer.new, pointer.new_format):
        return PointerState.NEW
    if named == (pointer.old, pointer.old_format):
        return PointerState.OLD
    return PointerState.TORN if _is_mixture(old, now) else PointerState.FOREIGN


def _is_mixture(old: bytes, now: bytes) -> bool:
    """Whether some sectors of the header are the old ones and some are not, and all behind it are."""
    sectors = [old[at : at + _SECTOR] == now[at : at + _SECTOR] for at in range(0, len(old), _SECTOR)]
    used = max(len(old.rstrip(b"\0")), len(now.rstrip(b"\0"))) // _SECTOR + 1
    return used > 1 and any(sectors[:used]) and all(sectors[used:])


def backing_of(cluster: bytes) -> tuple[str | None, str | None] | None:
    """The string and the format that a qcow2 header names what is below with; None where it cannot be read."""
    try:
        backing = inspect(Window(cluster), Format.QCOW2).backing
    except (ImageError, StorageError):
        return None
    return (None, None) if backing is None else (backing.text, backing.format)
