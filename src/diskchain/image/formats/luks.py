"""LUKS: a raw container whose payload is encrypted. Capacity is what lies behind the header."""

from diskchain.image.header import ImageHeader
from diskchain.image.luks.header import read_luks
from diskchain.image.luks.luks1_limits import unsupported
from diskchain.image.window import Window
from diskchain.storage.terms import Format


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The LUKS header at the start of the container. Raises ImageError."""
    encryption = read_luks(window, full=full or window.head[6:8] == b"\0\2")
    payload = encryption.payload_offset or 0
    remarks = [("malformed", "the file ends before the encrypted data begin")] if payload > window.size else []
    missing = unsupported(encryption) if encryption.kind == "luks1" else None
    if missing is not None:
        remarks.append(("unsupported-image", f"QEMU does not open a LUKS container with {missing}"))
    return ImageHeader(
        Format.LUKS,
        max(0, window.size - payload) if encryption.payload_size is None else encryption.payload_size,
        version=2 if encryption.kind == "luks2" else 1,
        encryption=encryption,
        remarks=tuple(remarks),
    )
