"""cloop: the compressed, read-only loop images of Knoppix. Source: the cloop 2.0 header; limits as in QEMU ``block/cloop.c``."""

import struct
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.areas import Area, Effect, beyond
from diskchain.image.header import ImageHeader
from diskchain.image.window import Window
from diskchain.storage.terms import Format
from diskchain.units import MiB

#: A cloop image is a shell script that mounts itself.
MAGIC: Final = b"#!/bin/sh\n#V2.0 Format\n"

_PREAMBLE: Final = 128
#: block size (bytes), blocks
_HEADER = struct.Struct(">II")
_LARGEST_BLOCK: Final = 64 * MiB
_LARGEST_TABLE: Final = 512 * MiB


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The header at the start of ``window``. Raises ImageError. The table of compressed blocks is not read."""
    if window.read_up_to(0, _PREAMBLE)[: len(MAGIC)] != MAGIC:
        raise ImageError("no cloop preamble", format="cloop", offset=0)
    block_size, blocks = _HEADER.unpack(window.read(_PREAMBLE, _HEADER.size))
    if block_size % 512 or not 0 < block_size <= _LARGEST_BLOCK:
        raise ImageError(f"blocks of {block_size} bytes", format="cloop", offset=_PREAMBLE)
    if (blocks + 1) * 8 > _LARGEST_TABLE:
        raise ImageError(f"a table of {blocks} blocks", format="cloop", offset=_PREAMBLE + 4)
    if _PREAMBLE + _HEADER.size + (blocks + 1) * 8 > window.size:
        raise ImageError("the file ends within its table of blocks", format="cloop", offset=_PREAMBLE + _HEADER.size)
    details = (("compressed", True), ("blocks", blocks)) if full else ()
    return ImageHeader(Format.CLOOP, block_size * blocks, 2, block_size, details=details)


def missing_areas(window: Window) -> list[Area]:
    """The areas of an image :func:`parse` can read that end behind the file: its blocks, to where the last one ends."""
    _, blocks = _HEADER.unpack(window.read(_PREAMBLE, _HEADER.size))
    end = int.from_bytes(window.read(_PREAMBLE + _HEADER.size + blocks * 8, 8), "big")
    return beyond(window, [Area("its data", end, Effect.FAILS)])
