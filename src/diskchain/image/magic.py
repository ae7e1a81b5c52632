"""Every signature an image may carry, at either end: what the ``untrusted`` rules of ``probe`` decide by.

Knows magic numbers, no headers. A signature in a version nobody knows counts as well: somebody may know it tomorrow.
Guest data that happens to stand where a footer would can make a sound image ambiguous; that is the price of the rule.

Contents (a partition table, an ISO 9660 file system) are no container. They only count beside a container's magic at byte 0,
where the same bytes could be booted as a raw disk. The one exception are containers known by their footer alone (a fixed VHD,
a DMG): their first bytes *are* the guest's.
"""

import re
from typing import Final, NamedTuple

from diskchain.errors import AmbiguousImage
from diskchain.image.iso9660 import ISO_IDENTIFIER, ISO_IDENTIFIER_AT
from diskchain.image.window import Window
from diskchain.storage.terms import Format

SECTOR: Final = 512


class _Magic(NamedTuple):
    """``signature`` at ``at`` means ``format``, if the bytes at ``version_at`` start with one of ``versions``; none means any."""

    format: Format
    signature: bytes
    at: int = 0
    version_at: int = 0
    versions: tuple[bytes, ...] = (b"",)


def _be32(*numbers: int) -> tuple[bytes, ...]:
    return tuple(number.to_bytes(4, "big") for number in numbers)


def _le32(*numbers: int) -> tuple[bytes, ...]:
    return tuple(number.to_bytes(4, "little") for number in numbers)


_SESPARSE_VERSION: Final = (b"\x01\x00\x00\x00\x02\x00\x00\x00",)

#: qcow and qcow2 share a magic: version 1 matches both rows.
_MAGICS: Final = (
    _Magic(Format.QCOW, b"QFI\xfb\x00\x00\x00\x01"),
    _Magic(Format.QCOW2, b"QFI\xfb", 0, 4, _be32(1, 2, 3)),
    _Magic(Format.QED, b"QED\x00"),
    _Magic(Format.COW, b"OOOM", 0, 4, _be32(2, 3)),
    _Magic(Format.VMDK, b"KDMV", 0, 4, _le32(1, 2, 3)),
    _Magic(Format.VMDK, b"COWD", 0, 4, _le32(1)),
    _Magic(Format.VMDK, b"\xbe\xba\xfe\xca\x00\x00\x00\x00", 0, 8, _SESPARSE_VERSION),
    _Magic(Format.VMDK, b"# Disk DescriptorFile"),
    _Magic(Format.VDI, b"\x7f\x10\xda\xbe", 64, 68, _le32(0x10001)),
    _Magic(Format.VPC, b"conectix", 0, 12, _be32(0x10000)),
    _Magic(Format.VHDX, b"vhdxfile"),
    _Magic(Format.PARALLELS, b"WithoutFreeSpace"),
    _Magic(Format.PARALLELS, b"WithouFreSpacExt"),
    _Magic(Format.BOCHS, b"Bochs Virtual HD Image\x00", 0, 64, _le32(0x10000, 0x20000)),
    _Magic(Format.CLOOP, b"#!/bin/sh\n#V2.0 Format\n"),
    _Magic(Format.DMG, b"encrcdsa", 0, 8, _be32(2)),
    _Magic(Format.LUKS, b"LUKS\xba\xbe", 0, 6, (b"\x00\x01", b"\x00\x02")),
)

#: A VMDK descriptor as QEMU takes it for one: comments and blank lines, then a version it knows.
_DESCRIPTOR: Final = re.compile(rb"(?:#[^\n]*\n| +\r?\n)*version=[123]\r?\n")


def sole_format(window: Window) -> Format:
    """The one format whose signature is there; raw when there is none.

    Raises AmbiguousImage, naming the candidates, when there are several or when the version of one is unknown.
    """
    found, unknown = candidates(window)
    if len(found) > 1:
        raise AmbiguousImage("more than one format's signature is there", tuple(found))
    if unknown:
        raise AmbiguousImage("the signature is there, in a version nobody knows", tuple(found))
    return found[0] if found else Format.RAW


def headed_format(window: Window, *, any_version: bool = False) -> Format | None:
    """The container that ``window`` begins with; None when it begins with no such signature, in a version somebody knows.

    Says nothing about what it is: a guest may have written that onto its disk.
    """
    head = window.read_up_to(0, SECTOR)
    for magic in _MAGICS:
        if head.startswith(magic.signature, magic.at) and (
            any_version or head.startswith(magic.versions, magic.version_at)
        ):
            return magic.format
    return Format.VMDK if _DESCRIPTOR.match(head) else None


def candidates(window: Window) -> tuple[list[Format], bool]:
    """Every format whose signature is there, without repetition, and whether one comes in a version nobody knows.

    ``raw`` stands for bootable contents beside a container. Reads both ends; raises StorageError from the window's fetch.
    """
    head = window.read_up_to(0, SECTOR)
    matching = [magic for magic in _MAGICS if head.startswith(magic.signature, magic.at)]
    strange = any(not head.startswith(magic.versions, magic.version_at) for magic in matching)
    found = [magic.format for magic in matching]
    if Format.QCOW in found:
        found.remove(Format.QCOW2)
    if _DESCRIPTOR.match(head):
        found.append(Format.VMDK)
    if found and has_partition_table(window):
        found.append(Format.RAW)
    found += _footers(window)
    if window.size >= ISO_IDENTIFIER_AT + 5 and window.read(ISO_IDENTIFIER_AT, 5) == ISO_IDENTIFIER:
        found.append(Format.ISO)
    return list(dict.fromkeys(found)), strange


def _footers(window: Window) -> list[Format]:
    """Formats known by the last sector: VHD (also one of 511 bytes, as Virtual PC before 2004 wrote) and DMG."""
    if window.size < SECTOR:
        return []
    found = []
    last = window.read(window.size - SECTOR, SECTOR)
    if last.startswith(b"conectix") or last[1:].startswith(b"conectix"):
        found.append(Format.VPC)
    if last.startswith(b"koly") or last.endswith(b"cdsaencr"):
        found.append(Format.DMG)
    return found


def has_partition_table(window: Window) -> bool:
    """Whether the first sector ends in a boot signature and holds at least one sane MBR partition entry."""
    sector = window.read_up_to(0, SECTOR)
    if sector[510:] != b"\x55\xaa":
        return False
    entries = (sector[at : at + 16] for at in range(446, 510, 16))
    return any(entry[0] in (0, 0x80) and entry[4] != 0 and entry[12:16] != b"\0\0\0\0" for entry in entries)
