"""ISO 9660: contents rather than a container. libvirt names it when it probes, and reads it as raw.

Source: ECMA-119, 8.4 (primary volume descriptor).
"""

import struct
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.header import ImageHeader
from diskchain.image.iso9660 import ISO_IDENTIFIER
from diskchain.image.window import Window
from diskchain.storage.terms import Format

_SECTOR: Final = 2048
_FIRST_DESCRIPTOR: Final = 16 * _SECTOR
_PRIMARY: Final = 1

#: type, identifier; volume name; volume size and block size, little-endian halves
_DESCRIPTOR = struct.Struct("<B5s34x32s8xI44xH")


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The first volume descriptor. Capacity is that of the container. Raises ImageError."""
    kind, identifier, name, blocks, block_size = _DESCRIPTOR.unpack(window.read(_FIRST_DESCRIPTOR, _DESCRIPTOR.size))
    if identifier != ISO_IDENTIFIER:
        raise ImageError("no ISO 9660 volume descriptor", format="iso", offset=_FIRST_DESCRIPTOR + 1)
    details: tuple[tuple[str, str | int | bool], ...] = ()
    if full and kind == _PRIMARY:
        label = name.decode("ascii", "backslashreplace").rstrip(" \0")
        details = (("volume id", label), ("volume size", blocks * block_size))
    return ImageHeader(Format.ISO, window.size, details=details)
