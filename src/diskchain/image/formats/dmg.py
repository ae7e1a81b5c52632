"""DMG: Apple's disk images, whose header is a trailer. The property list it points to is not read.

Source: the "koly" block of the Universal Disk Image Format, as Apple's ``hdiutil`` writes it (no published specification).
"""

import struct
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.guid import NIL, uuid_text
from diskchain.image.header import Identity, ImageHeader
from diskchain.image.window import Window
from diskchain.storage.terms import Format

MAGIC: Final = b"koly"
_TRAILER_SIZE: Final = 512
_SECTOR: Final = 512

#: magic, version, trailer size, flags; offsets and lengths of data and resource fork; segment number and count, segment id
_START = struct.Struct(">4sIII8xQQQQII16s")
#: property list offset and length
_PLIST_AT: Final = 216
_PLIST = struct.Struct(">QQ")
#: image variant, sectors
_VARIANT_AT: Final = 488
_VARIANT = struct.Struct(">IQ")
_VARIANTS: Final = {1: "device", 2: "partition"}


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The trailer at the end of ``window``. Raises ImageError."""
    at = max(0, window.size - _TRAILER_SIZE)
    trailer = window.read(at, _TRAILER_SIZE)
    magic, version, size, flags, data_at, data_length, _, _, segment, segments, segment_id = _START.unpack_from(trailer)
    if magic != MAGIC:
        raise ImageError("no koly trailer", format="dmg", offset=at)
    if size != _TRAILER_SIZE:
        raise ImageError(f"a trailer of {size} bytes", format="dmg", offset=at + 8)
    variant, sectors = _VARIANT.unpack_from(trailer, _VARIANT_AT)
    plist_at, plist_length = _PLIST.unpack_from(trailer, _PLIST_AT)
    if max(data_at + data_length, plist_at + plist_length) > at:
        raise ImageError("its data is not inside the file", format="dmg", offset=at)
    if sectors >= 1 << 54:
        raise ImageError(f"a capacity of {sectors} sectors", format="dmg", offset=at + 492)
    details: list[tuple[str, str | int | bool]] = []
    if full:
        details = [("variant", _VARIANTS.get(variant, f"{variant}")), ("flags", flags)]
        details += [("segment", segment), ("segments", segments)]
    return ImageHeader(
        Format.DMG,
        sectors * _SECTOR,
        version,
        identity=Identity(uuid_text(segment_id)) if segment_id != NIL else None,
        details=tuple(details),
    )
