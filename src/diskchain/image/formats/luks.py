"""LUKS: a raw container whose payload is encrypted. Capacity is what lies behind the header."""

from diskchain.image.areas import Area, Effect, beyond
from diskchain.image.header import ImageHeader
from diskchain.image.luks.header import read_luks
from diskchain.image.luks.luks1_limits import unsupported
from diskchain.image.window import Window
from diskchain.storage.terms import Format


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The LUKS header at the start of the container. Raises ImageError."""
    encryption = read_luks(window, full=full or window.head[6:8] == b"\0\2")
    payload = encryption.payload_offset or 0
    remarks = (
        [("qemu-refuses", "the file ends before the encrypted data begin: QEMU refuses to open it")]
        if payload > window.size
        else []
    )
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


def missing_areas(window: Window) -> list[Area]:
    """The areas of a container :func:`parse` can read that end behind the file. How much is behind the header, it does not say."""
    encryption = read_luks(window, full=True)
    payload = encryption.payload_offset or 0
    if payload > window.size:
        return []  # a remark of its header
    length = (encryption.key_bits or 0) // 8
    areas = [
        Area(f"key slot {slot.number}", (slot.key_offset or 0) + length * (slot.stripes or 0), Effect.REFUSES)
        for slot in encryption.slots or ()
        if slot.active
    ]
    # A header alone is a backup of one, or what is left of a container.
    areas.append(Area("its data", payload + (encryption.payload_size or 1), Effect.FAILS))
    return beyond(window, areas)
