"""What QEMU does not open, going by a header alone: one answer for every finding that speaks of what the guest would read. Pure."""

from typing import Final

from diskchain.image.header import ImageHeader
from diskchain.storage.terms import Format

#: Remarks of headers that mean: QEMU does not open it.
_REFUSALS: Final = frozenset({"qemu-refuses", "unsupported-image"})
#: Differencing disks that QEMU knows for what they are. Of a VHD it does not see that it is one.
_KNOWN_DIFFERENCING: Final = frozenset({Format.VHDX, Format.VDI})


def refused_by_qemu(header: ImageHeader) -> bool:
    """Whether QEMU 7.2 refuses to open an image with this header, whoever wants to open it, and however."""
    if any(id in _REFUSALS for id, _ in header.remarks):
        return True
    if header.features is not None and header.features.unknown_incompatible:
        return True
    identity = header.identity
    return header.format in _KNOWN_DIFFERENCING and identity is not None and identity.parent is not None
