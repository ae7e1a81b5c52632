"""An image of many mebibytes as a fuzz input of a few hundred bytes: its size, and what stands where; all else is zeros.

``flags`` (1 byte), size (4 bytes), then chunks: offset (4 bytes), length (2 bytes), bytes. Little-endian. Any bytes decode to an image.
"""

import struct
from typing import NamedTuple

from diskchain.image.window import HEAD, Window

_HEAD = struct.Struct("<BI")
_CHUNK = struct.Struct("<IH")

#: Runs of zeros at least this long separate two chunks.
_GAP = 32


class SparseImage(NamedTuple):
    """``chunks`` as (offset, bytes); later ones cover earlier ones. ``flags``: bit 0 asks for right checksums (VHDX)."""

    size: int
    chunks: tuple[tuple[int, bytes], ...]
    flags: int = 0

    def read(self, offset: int, length: int) -> bytes:
        """The bytes there; fewer at the end."""
        length = max(0, min(length, self.size - offset))
        data = bytearray(length)
        for at, chunk in self.chunks:
            start, end = max(at, offset), min(at + len(chunk), offset + length)
            if start < end:
                data[start - offset : end - offset] = chunk[start - at : end - at]
        return bytes(data)

    def window(self) -> "CountingWindow":
        """A window as a reader would open it."""
        return CountingWindow(self.read(0, HEAD), self.size, self.read)


class CountingWindow(Window):
    """A window that counts what was fetched beyond its head. ``reads``: how often, ``fetched``: bytes."""

    __slots__ = ("fetched", "reads")

    reads: int
    fetched: int

    def fetch(self, offset: int, length: int) -> bytes:
        """As :meth:`Window.fetch`."""
        self.reads = getattr(self, "reads", 0) + 1
        self.fetched = getattr(self, "fetched", 0) + length
        return super().fetch(offset, length)


def decode(data: bytes) -> SparseImage:
    """The image that ``data`` describes; a chunk that is cut short is a shorter chunk."""
    if len(data) < _HEAD.size:
        return SparseImage(len(data), ((0, data),))
    flags, size = _HEAD.unpack_from(data)
    chunks = []
    at = _HEAD.size
    while at + _CHUNK.size <= len(data):
        offset, length = _CHUNK.unpack_from(data, at)
        at += _CHUNK.size
        chunks.append((offset, data[at : at + length]))
        at += length
    return SparseImage(size, tuple(chunks), flags)


def encode(image: SparseImage) -> bytes:
    """``image`` as a fuzz input."""
    parts = [_HEAD.pack(image.flags & 0xFF, image.size & 0xFFFFFFFF)]
    for offset, chunk in image.chunks:
        for start in range(0, max(1, len(chunk)), 0xFFFF):
            piece = chunk[start : start + 0xFFFF]
            parts.append(_CHUNK.pack((offset + start) & 0xFFFFFFFF, len(piece)) + piece)
    return b"".join(parts)


def from_bytes(data: bytes, flags: int = 0) -> SparseImage:
    """The image with these bytes."""
    chunks = []
    at = 0
    while at < len(data):
        end = data.find(bytes(_GAP), at)
        end = len(data) if end < 0 else end
        if end > at:
            chunks.append((at, data[at:end]))
        at = end
        while at < len(data) and not data[at : at + 4096].strip(b"\0"):
            at += 4096
        while at < len(data) and data[at] == 0:
            at += 1
    return SparseImage(len(data), tuple(chunks), flags)
