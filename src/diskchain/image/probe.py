"""Guess the format of an image from its bytes: an explicit act, and never a reason to doubt a *declared* format.

Whoever guesses lets the image choose how it is read: a guest that writes a qcow2 header into its raw disk has chosen
(CVE-2008-2004). So nothing in ``inspect`` calls this. Two sets of rules:

``libvirt``
    What libvirt 11.3 would say (``storage_file_probe.c``): the first format, in the order of its enum, whose magic and
    version match; raw when none does. It looks at the first 0x8200 bytes only, knows neither footers nor VHDX, bochs,
    cloop, DMG and text descriptors of VMDK, and calls a LUKS container raw (see :func:`starts_with_luks`).
``untrusted``
    For an image from a stranger: every signature there is, at both ends of the image. Two that match, or a version nobody
    knows, are an error. See :mod:`diskchain.image.magic`.
"""

from typing import Final, Literal

from diskchain.image.iso9660 import ISO_IDENTIFIER, ISO_IDENTIFIER_AT
from diskchain.image.window import Window
from diskchain.storage.terms import Format

Rules = Literal["libvirt", "untrusted"]


_VDI: Final = b"\x7f\x10\xda\xbe\x01\x00\x01\x00"  # VDI_SIGNATURE and version 1.1, at byte 64
_COW: Final = b"OOOM\x00\x00\x00\x02"
_QCOW: Final = b"\x00\x00\x00\x01"
_QCOW2: Final = (b"\x00\x00\x00\x02", b"\x00\x00\x00\x03")
_VMDK: Final = (b"KDMV\x01\x00\x00\x00", b"KDMV\x02\x00\x00\x00", b"KDMV\x03\x00\x00\x00")
_PARALLELS: Final = b"WithouFreSpacExt"
_LUKS: Final = (b"LUKS\xba\xbe\x00\x01", b"LUKS\xba\xbe\x00\x02")

#: Enough of the head for every magic but that of ISO.
_PROBED: Final = 72


def probe(window: Window, rules: Rules = "libvirt") -> Format:
    """The format the bytes look like. ``libvirt`` rules always have an answer.

    Raises AmbiguousImage under ``untrusted`` rules when several formats match, or when one matches in a version nobody
    knows; StorageError from the window's fetch.
    """
    if rules == "untrusted":
        from diskchain.image.magic import sole_format

        return sole_format(window)
    if could_be_iso(window.size) and window.read(ISO_IDENTIFIER_AT, len(ISO_IDENTIFIER)) == ISO_IDENTIFIER:
        return Format.ISO
    return _by_head(_head(window))


def guess(window: Window, rules: Rules = "libvirt") -> Format:
    """The format to *read* the bytes as: :func:`probe`'s, but an ISO 9660 volume is what is on a raw disk, to libvirt as to QEMU."""
    found = probe(window, rules)
    return Format.RAW if found is Format.ISO else found


def guess_alone(window: Window, name: str = "") -> Format:
    """The format to read an image as that somebody names by itself, where nothing but its bytes can say what it is.

    ``name``: of its file. QEMU takes what is called ``.dmg`` for a DMG, which has its header at the end: so do we where that is there. As :func:`guess` by libvirt's rules; where those see nothing, what it begins with, as QEMU would: VHDX, a VMDK descriptor … In a
    version nobody knows, too: better refused by name than shown as raw. LUKS stays raw, with encryption.
    """
    found = guess(window)
    if found is Format.RAW and not starts_with_luks(window):
        from diskchain.image.magic import candidates, headed_format

        headed = headed_format(window, any_version=True)
        if headed is None and name.endswith(".dmg"):
            headed = Format.DMG if Format.DMG in candidates(window)[0] else None
        return headed or Format.RAW
    return found


def could_be_iso(size: int) -> bool:
    """Whether an image of so many bytes has room for the identifier of an ISO 9660 volume, which libvirt's rules look at first."""
    return size >= ISO_IDENTIFIER_AT + len(ISO_IDENTIFIER)


def is_qcow2(head: bytes) -> bool:
    """Whether libvirt's rules take an image that begins so for qcow2, if it is no ISO 9660 volume."""
    return head[4:8] in _QCOW2 and head.startswith(b"QFI")


def starts_with_luks(window: Window) -> bool:
    """Whether a LUKS header of version 1 or 2 is at the start: raw with encryption to libvirt, ``luks`` to QEMU."""
    return _head(window).startswith(_LUKS)


def _head(window: Window) -> bytes:
    head = window.head
    return head if len(head) >= _PROBED or len(head) == window.size else window.read_up_to(0, _PROBED)


def _by_head(head: bytes) -> Format:
    """What libvirt says of the head alone; the order of the tests is that of its enum."""
    if head.startswith(b"conectix") and head[12:16] == b"\x00\x01\x00\x00":
        return Format.VPC
    if head[64:72] == _VDI:
        return Format.VDI
    if head.startswith(b"QFI"):  # three bytes are all libvirt compares
        version = head[4:8]
        if version in _QCOW2:
            return Format.QCOW2
        return Format.QCOW if version == _QCOW else Format.RAW
    if head.startswith(_PARALLELS):
        return Format.PARALLELS
    if head.startswith(_COW):
        return Format.COW
    if head.startswith(b"QED"):
        return Format.QED
    return Format.VMDK if head.startswith(_VMDK) else Format.RAW
