"""DMG: Apple's disk images, whose header is a trailer. The property list it points to is not read.

An image may be split into segments, each a file with a trailer of its own, and may be encrypted as a whole: then the header is at the
start (version 2) or the end (version 1), and what is inside cannot be seen. QEMU reads neither.
Source: the "koly" block of the Universal Disk Image Format and the header of its encryption, as Apple's ``hdiutil`` writes them (no
published specification; for the latter, as read by public tools since 2006).
"""

import struct
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.encryption import ImageEncryption
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

ENCRYPTED: Final = b"encrcdsa"
ENCRYPTED_AT_END: Final = b"cdsaencr"
#: magic, version, size of the initialization vector, mode, algorithm, key bits, two numbers about that vector's key, uuid, block size,
#: length and offset of the data, number of keys
_ENCRYPTION = struct.Struct(">8sIIIIIII16sIQQI")
_ENCRYPTION_VERSION: Final = 2
#: The header of version 1; its data comes before it.
_ENCRYPTION_1_SIZE: Final = 1276
_UNSUPPORTED: Final = "unsupported-image"


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The trailer at the end of ``window``, or what tells that it is encrypted. Raises ImageError.

    The capacity of an encrypted image is that of the encrypted file, which may be compressed.
    """
    if window.read_up_to(0, len(ENCRYPTED)) == ENCRYPTED:
        return _encrypted(window, full=full)
    tail = max(0, window.size - len(ENCRYPTED_AT_END))
    if window.size >= _ENCRYPTION_1_SIZE and window.read(tail, len(ENCRYPTED_AT_END)) == ENCRYPTED_AT_END:
        return _sealed(window.size - _ENCRYPTION_1_SIZE, 1, ImageEncryption("dmg"), ())
    at = max(0, window.size - _TRAILER_SIZE)
    trailer = window.read(at, _TRAILER_SIZE)
    magic, version, size, flags, data_at, data_length, _, _, segment, segments, segment_id = _START.unpack_from(trailer)
    if magic != MAGIC:
        raise ImageError("no koly trailer", format="dmg", offset=at)
    if size != _TRAILER_SIZE:
        raise ImageError(f"a trailer of {size} bytes", format="dmg", offset=at + 8)
    variant, sectors = _VARIANT.unpack_from(trailer, _VARIANT_AT)
    plist_at, plist_length = _PLIST.unpack_from(trailer, _PLIST_AT)
    if segments <= 1 and max(data_at + data_length, plist_at + plist_length) > at:
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
        remarks=((_UNSUPPORTED, _segment(segment, segments)),) if segments > 1 else (),
    )


def _segment(number: int, count: int) -> str:
    return f"segment {number} of {count}: the others are files of their own (.dmgpart), and QEMU reads this one alone"


def _encrypted(window: Window, *, full: bool) -> ImageHeader:
    (
        _, version, _, _, algorithm, key_bits, _, _, uuid, block_size, length, data_at, keys,
    ) = _ENCRYPTION.unpack(window.read(0, _ENCRYPTION.size))  # fmt: skip
    if version != _ENCRYPTION_VERSION:
        raise ImageError(f"unknown version {version} of its encryption", format="dmg", offset=8)
    if data_at + length > window.size:
        raise ImageError("its data is not inside the file", format="dmg", offset=56)
    encryption = ImageEncryption(
        "dmg", uuid=uuid_text(uuid), payload_offset=data_at, payload_size=length, key_bits=key_bits
    )
    details: tuple[tuple[str, str | int | bool], ...] = ()
    if full:
        details = (("algorithm", f"{algorithm:#x}"), ("block size", block_size), ("keys", keys))
    return _sealed(length, version, encryption, details)


def _sealed(
    length: int, version: int, encryption: ImageEncryption, details: tuple[tuple[str, str | int | bool], ...]
) -> ImageHeader:
    remark = "encrypted by hdiutil: QEMU does not read it, nor can it be told what is inside"
    return ImageHeader(
        Format.DMG, length, version, encryption=encryption, details=details, remarks=((_UNSUPPORTED, remark),)
    )
