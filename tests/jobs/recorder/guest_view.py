"""What a guest reads of an image in a World, by the pointers that headers hold: raw and qcow2, written from QEMU's `docs/interop/qcow2.txt`.

A judge of its own: no code of diskchain's is in it, and a test has qemu-img judge it. Not for encrypted or compressed clusters.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from tests.jobs.recorder.world import World

_MAGIC = b"QFI\xfb"
_HEADER = struct.Struct(">4xIQIIQIIQ")
_DATA_FILE = 1 << 2
_EXTENDED_L2 = 1 << 4
_OFFSETS = 0x00FF_FFFF_FFFF_FE00
_COMPRESSED, _ZERO = 1 << 62, 1
_MOST_LAYERS = 50


class Unreadable(Exception):
    """QEMU could not open the chain, or this reader does not know how."""


@dataclass(frozen=True, slots=True)
class Header:
    """A qcow2 header's fields. `backing` and `data_file` as stored."""

    backing: str | None
    backing_format: str | None
    data_file: str | None
    cluster_bits: int
    size: int
    l1: tuple[int, int]


def header(image: bytearray) -> Header:
    """Raises Unreadable."""
    try:
        version, offset, length, bits, size, crypt, l1_size, l1 = _HEADER.unpack_from(image)
        if image[:4] != _MAGIC or not 9 <= bits <= 21:
            raise Unreadable("no qcow2 image")
        features = struct.unpack_from(">Q", image, 72)[0] if version > 2 else 0
        if crypt or features & ~(_DATA_FILE | 3):
            raise Unreadable(f"features {features:#x}, encryption {crypt}")
        extensions = _extensions(image, struct.unpack_from(">I", image, 100)[0] if version > 2 else 72)
    except struct.error as error:
        raise Unreadable("cut short") from error
    backing = os.fsdecode(bytes(image[offset : offset + length])) if offset else None
    return Header(backing, extensions.get(0xE2792ACA), extensions.get(0x44415441), bits, size, (l1, l1_size))


def _extensions(image: bytearray, position: int) -> dict[int, str]:
    found: dict[int, str] = {}
    while True:
        kind, length = struct.unpack_from(">II", image, position)
        if not kind:
            return found
        found[kind] = image[position + 8 : position + 8 + length].decode(errors="replace")
        position += 8 + (length + 7) // 8 * 8


def pointers(world: World, path: str) -> tuple[str, str | None] | None:
    """What the header at `path` says is below it, and its format."""
    image = header(world.read(path))
    return None if image.backing is None else (image.backing, image.backing_format)


def guest_bytes(world: World, path: str, format: str = "qcow2", *, below: tuple[str, ...] | None = None) -> bytes:
    """All that a guest reads. `below`: paths of layers to take instead of those that headers name. Raises Unreadable."""
    return bytes(_read(world, path, format, below, _MOST_LAYERS))


def _read(world: World, path: str, format: str, below: tuple[str, ...] | None, left: int) -> bytearray:
    if not left:
        raise Unreadable("too many layers: a circle?")
    try:
        image = world.read(path)
    except KeyError:
        raise Unreadable(f"{path} is missing") from None
    if format == "raw":
        return bytearray(image)
    top = header(image)
    under = _under(world, path, top, below, left)
    del under[top.size :]
    under.extend(bytes(top.size - len(under)))
    data = image if top.data_file is None else world.read(_beside(path, top.data_file))
    _lay_over(under, image, data, top)
    return under


def _under(world: World, path: str, top: Header, below: tuple[str, ...] | None, left: int) -> bytearray:
    if below is not None:
        format = "qcow2" if below and world.read(below[0])[:4] == _MAGIC else "raw"
        return _read(world, below[0], format, below[1:], left - 1) if below else bytearray()
    if top.backing is None:
        return bytearray()
    if top.backing_format not in ("raw", "qcow2"):
        raise Unreadable(f"the header of {path} says its backing format is {top.backing_format}")
    return _read(world, _beside(path, top.backing), top.backing_format, None, left - 1)


def _beside(path: str, name: str) -> str:
    return os.path.normpath(Path(path).parent / name)


def _lay_over(under: bytearray, image: bytearray, data: bytearray, top: Header) -> None:
    cluster = 1 << top.cluster_bits
    entries = cluster // 8
    l1 = _table(image, *top.l1)
    for l1_index, entry in enumerate(l1):
        l2 = _table(image, entry & _OFFSETS, entries) if entry & _OFFSETS else ()
        for l2_index, pointer in enumerate(l2):
            start = (l1_index * entries + l2_index) * cluster
            if not pointer or start >= top.size:
                continue
            if pointer & _COMPRESSED:
                raise Unreadable("compressed clusters")
            end = min(start + cluster, top.size)
            offset = pointer & _OFFSETS
            if pointer & _ZERO:
                under[start:end] = bytes(end - start)
            elif offset or top.data_file is not None:
                found = data[offset : offset + end - start]
                under[start:end] = found + bytes(end - start - len(found))


def _table(image: bytearray, offset: int, entries: int) -> tuple[int, ...]:
    if offset + 8 * entries > len(image):
        image = image + bytes(offset + 8 * entries - len(image))  # past the end of a file there are zeros
    return struct.unpack_from(f">{entries}Q", image, offset)
