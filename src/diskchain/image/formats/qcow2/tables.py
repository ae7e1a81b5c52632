"""Tables a qcow2 header points to: internal snapshots and persistent dirty bitmaps.

Source: QEMU ``docs/interop/qcow2.txt``, "Snapshots" and "Bitmaps extension". Belongs to ``qcow2``; read only when asked for.
"""

import struct
from collections.abc import Iterator
from typing import Final

from diskchain.errors import ImageError, TruncatedImage
from diskchain.image.bitmap import Bitmap
from diskchain.image.header import header_text
from diskchain.image.snapshot import Snapshot
from diskchain.image.window import Window
from diskchain.units import KiB, MiB

#: l1 offset, l1 size, id length, name length, seconds, nanoseconds, VM clock, VM state size, extra data length
_SNAPSHOT = struct.Struct(">QIHHIIQII")
_NO_ICOUNT: Final = (1 << 64) - 1
_LARGEST_SNAPSHOT_TABLE: Final = 16 * MiB  # ours; QEMU takes 1024 bytes for each of 65536 snapshots
_PIECE: Final = 64 * KiB
_MOST_EXTRA: Final = 1024  # QCOW_MAX_SNAPSHOT_EXTRA_DATA

#: table offset, table size, flags, type, granularity bits, name length, extra data length
_BITMAP = struct.Struct(">QIIBBHI")
_IN_USE: Final = 1 << 0
_AUTO: Final = 1 << 1
_LARGEST_DIRECTORY: Final = 8 * MiB  # ours; QEMU: 65535 × 1 KiB (BME_MAX_DIR_SIZE)
_MOST_BITMAPS: Final = 65535  # BME_MAX…
_GRANULARITY_BITS: Final = range(9, 32)


class _Table:
    """Reads a table of records one after the other, in pieces large enough that a remote image is asked seldom."""

    def __init__(self, window: Window, offset: int) -> None:
        self._window = window
        self._piece = b""
        self._at = 0
        self.offset = offset

    def take(self, length: int) -> bytes:
        """The next ``length`` bytes. Raises TruncatedImage."""
        end = self._at + length
        if end > len(self._piece):
            rest = self._piece[self._at :]
            self._piece = rest + self._window.read_up_to(self.offset + len(rest), max(_PIECE, length))
            self._at, end = 0, length
            if len(self._piece) < length:
                raise TruncatedImage("a table ends too early", format="qcow2", offset=self.offset)
        taken = self._piece[self._at : end]
        self._at = end
        self.offset += length
        return taken

    def align(self) -> None:
        """Step to the next multiple of eight bytes."""
        padding = -self.offset % 8
        self._at += padding
        self.offset += padding


def read_snapshots(window: Window, offset: int, count: int) -> tuple[Snapshot, ...]:
    """The snapshot table of ``count`` entries at ``offset``. Raises ImageError."""
    return tuple(snapshot for snapshot, _, _ in snapshot_tables(window, offset, count))


def snapshot_tables(window: Window, offset: int, count: int) -> Iterator[tuple[Snapshot, int, int]]:
    """The snapshots, each with the place of its L1 table and that table's entries. Raises ImageError."""
    table = _Table(window, offset)
    for _ in range(count):
        fields = _SNAPSHOT.unpack(table.take(_SNAPSHOT.size))
        l1_at, l1_size, id_length, name_length, date, date_ns, vm_clock, small_size, extra_length = fields
        if extra_length > _MOST_EXTRA:
            raise ImageError(f"a snapshot with {extra_length} bytes of extra data", format="qcow2", offset=table.offset)
        tail = table.take(extra_length + id_length + name_length)
        extra, names = tail[:extra_length], tail[extra_length:]
        large_size, disk_size, icount = (_u64(extra, at) for at in (0, 8, 16))
        snapshot = Snapshot(
            header_text(names[:id_length]),
            header_text(names[id_length:]),
            small_size if large_size is None else large_size,
            date,
            vm_clock,
            disk_size,
            date_ns,
            None if icount == _NO_ICOUNT else icount,
        )
        yield snapshot, l1_at, l1_size
        table.align()
        if table.offset - offset > _LARGEST_SNAPSHOT_TABLE:
            raise ImageError("the snapshot table is too large", format="qcow2", offset=offset)


def _u64(extra: bytes, at: int) -> int | None:
    return int.from_bytes(extra[at : at + 8]) if len(extra) >= at + 8 else None


def read_bitmaps(window: Window, offset: int, size: int, count: int) -> tuple[Bitmap, ...]:
    """The bitmap directory of ``count`` entries in ``size`` bytes at ``offset``. Raises ImageError."""
    return tuple(bitmap for bitmap, _, _ in bitmap_tables(window, offset, size, count))


def bitmap_tables(window: Window, offset: int, size: int, count: int) -> Iterator[tuple[Bitmap, int, int]]:
    """The bitmaps, each with the place of its table and that table's entries. Raises ImageError."""
    if size > _LARGEST_DIRECTORY or count > _MOST_BITMAPS:
        raise ImageError(f"a bitmap directory of {size} bytes", format="qcow2", offset=offset)
    directory = window.read(offset, size)
    at = 0
    for _ in range(count):
        if at + _BITMAP.size > size:
            raise ImageError("the bitmap directory ends too early", format="qcow2", offset=offset + at)
        table_at, entries, flags, _type, bits, name_length, extra_length = _BITMAP.unpack_from(directory, at)
        name_at = at + _BITMAP.size + extra_length
        if bits not in _GRANULARITY_BITS or name_at + name_length > size:
            raise ImageError("a malformed bitmap directory entry", format="qcow2", offset=offset + at)
        shown = tuple(name for bit, name in ((_IN_USE, "in-use"), (_AUTO, "auto")) if flags & bit)
        bitmap = Bitmap(header_text(directory[name_at : name_at + name_length]), 1 << bits, shown)
        yield bitmap, table_at, entries
        at = (name_at + name_length + 7) & ~7
