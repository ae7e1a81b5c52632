"""UUIDs as text, from the two byte orders in use: network order (RFC 4122) and Microsoft's, also used by VirtualBox."""

import struct
from typing import Final

NIL: Final = bytes(16)


def uuid_text(raw: bytes) -> str:
    """16 bytes in network order (VHD, Parallels) as lower-case text."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def guid_text(raw: bytes) -> str:
    """16 bytes whose first three fields are little-endian (VHDX, VDI, GPT) as lower-case text."""
    return uuid_text(struct.pack(">IHH", *struct.unpack("<IHH", raw[:8])) + raw[8:])
