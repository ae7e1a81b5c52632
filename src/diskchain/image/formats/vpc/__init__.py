"""VHD, which QEMU calls vpc: fixed, dynamic and differencing disks.

A footer of 512 bytes ends every VHD; dynamic and differencing ones carry a copy of it at the start, followed by a second header.
Source: Microsoft *Virtual Hard Disk Image Format Specification* 1.0; which of two capacities counts, as in QEMU 7.2 ``block/vpc.c``.
"""

import struct
from dataclasses import dataclass
from typing import Final

from diskchain.errors import ImageError, TruncatedImage
from diskchain.image.formats.vpc.locator import TABLE_SIZE, Locator, preferred_path, read_locators
from diskchain.image.guid import NIL, uuid_text
from diskchain.image.header import BackingReference, Identity, ImageHeader
from diskchain.image.window import Window
from diskchain.storage.terms import Format

COOKIE: Final = b"conectix"
_DYNAMIC_COOKIE: Final = b"cxsparse"
_VERSION: Final = 0x00010000

#: cookie, features, version, data offset, time, creator, its version, its host; original and current size; cylinders, heads, sectors;
#: disk type, checksum, unique id, saved state
_FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sB")
_FOOTER_SIZE: Final = 512
_OLD_FOOTER_SIZE: Final = 511  # Virtual PC before 2004
#: cookie, next, table offset, version, table entries, block size, checksum, parent's unique id and time, parent's name
_DYNAMIC = struct.Struct(">8sQQIIII16sI4x512s")
_DYNAMIC_SIZE: Final = 1024
_DYNAMIC_CHECKSUM_AT: Final = 36
_FOOTER_CHECKSUM_AT: Final = 64

FIXED: Final = 2
_TYPES: Final = {FIXED: "fixed", 3: "dynamic", 4: "differencing"}
_DIFFERENCING: Final = 4

SECTOR: Final = 512
_MOST_SECTORS: Final = 0xFF000000  # VHD_MAX_SECTORS: 2040 GiB
_LARGEST_GEOMETRY: Final = 65535 * 16 * 255  # VHD_MAX_GEOMETRY
#: Creators whose disks are as large as the footer says; Virtual PC and older QEMU mean the geometry, unless that is at its limit.
_CREATORS_MEANING_SIZE: Final = (b"win ", b"qem2", b"d2v ", b"tap\0", b"CTXS")
_CREATORS_MEANING_GEOMETRY: Final = (b"vpc ", b"qemu")

#: QEMU 7.2 refuses longer block tables: INT_MAX / 4.
_MOST_ENTRIES: Final = ((1 << 31) - 1) // 4
_REFUSED: Final = "qemu-refuses"
_FOOTER_GONE: Final = (
    "the footer at the end is gone: it was cut short, or is the first part of a split disk (.v01 goes on)"
)

#: 2000-01-01 00:00 UTC, from which VHD counts seconds.
_EPOCH: Final = 946684800


@dataclass(frozen=True, slots=True)
class _Footer:
    """The fields of a footer we use. Sizes in bytes, ``geometry_sectors``: cylinders × heads × sectors."""

    raw: bytes
    version: int
    next_at: int
    creator: bytes
    creator_version: int
    original: int
    current: int
    geometry_sectors: int
    kind: int
    unique: bytes
    saved_state: bool


def _bad(problem: str, offset: int) -> ImageError:
    return ImageError(problem, format="vpc", offset=offset)


def _remark(problem: str) -> tuple[str, str]:
    return ("malformed", problem)


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The footer (or its copy) and the dynamic header of ``window``. Raises ImageError.

    ``full`` also verifies the dynamic header's checksum, compares the footer with its copy, and shows all parent locators. Whether
    the file ends where its last part does is always looked at: Virtual PC split disks into ``disk.vhd``, ``disk.v01`` …
    ``disk.v63``, the footer in the last.
    """
    footer, at = read_footer(window)
    sectors, remarks = _capacity(footer, at)
    if not _sound(footer.raw, _FOOTER_CHECKSUM_AT):
        remarks.append((_REFUSED, "the footer's checksum is wrong: QEMU refuses to open it"))
    remarks += _cut(window, footer, at)
    own = uuid_text(footer.unique) if footer.unique != NIL else None
    block_size: int | None = None
    identity = Identity(own) if own else None
    locators: tuple[Locator, ...] = ()
    if footer.kind != FIXED:
        block_size, identity, locators = _read_dynamic(window, footer, sectors)
    details: list[tuple[str, str | int | bool]] = []
    if full:
        details = _details(footer)
        details += [(f"parent locator {locator.code}", locator.text or "") for locator in locators]
        remarks += _verify(window, footer)
    path = preferred_path(locators) or next(iter(identity.parent_names if identity else ()), None)
    return ImageHeader(
        Format.VPC,
        sectors * SECTOR,
        footer.version >> 16,
        block_size,
        BackingReference(path, "vpc", implied=True) if path else None,
        identity=identity,
        details=tuple(details),
        remarks=tuple(remarks),
    )


def read_footer(window: Window) -> tuple[_Footer, int]:
    """The footer, or its copy at the start, and where it is. Raises ImageError."""
    raw, at = window.read_up_to(0, _FOOTER_SIZE), 0
    if not raw.startswith(COOKIE):
        at = _footer_at(window)
        raw = window.read_up_to(at, _FOOTER_SIZE)
    elif window.size < _OLD_FOOTER_SIZE:
        raise TruncatedImage("shorter than a footer", format="vpc", offset=window.size)
    (
        _, _, version, next_at, _, creator, creator_version, _, original, current, cylinders, heads, sectors, kind, _, unique,
        saved,
    ) = _FOOTER.unpack_from(raw)  # fmt: skip
    if version >> 16 != _VERSION >> 16:
        raise _bad(f"unknown version {version >> 16}.{version & 0xFFFF}", at + 12)
    if kind not in _TYPES:
        raise _bad(f"unknown disk type {kind}", at + 60)
    geometry = cylinders * heads * sectors
    footer = _Footer(
        raw, version, next_at, creator, creator_version, original, current, geometry, kind, unique, bool(saved)
    )
    return footer, at


def _capacity(footer: _Footer, at: int) -> tuple[int, list[tuple[str, str]]]:
    """Sectors the guest sees, as QEMU before 10.0 decides, and a remark where its versions differ."""
    sectors, remarks = footer.geometry_sectors, []
    if footer.creator in _CREATORS_MEANING_SIZE or sectors == _LARGEST_GEOMETRY:
        sectors = footer.current // SECTOR
    elif footer.creator not in _CREATORS_MEANING_GEOMETRY and sectors * SECTOR != footer.current:
        from diskchain.behaviours import statement

        by = footer.creator.rstrip(b"\0 ").decode("ascii", "backslashreplace") or "nobody"
        sizes = f"{footer.current} bytes, or {sectors * SECTOR} by its geometry"
        remarks = [_remark(f"made by {by}, it has {sizes}; {statement('malformed/vhd-size')}")]
    if sectors > _MOST_SECTORS:
        raise _bad(f"a capacity of {sectors} sectors", at + 48)
    return sectors, remarks


def _details(footer: _Footer) -> list[tuple[str, str | int | bool]]:
    return [
        ("disk type", _TYPES[footer.kind]),
        ("creator", footer.creator.decode("ascii", "backslashreplace").rstrip("\0 ")),
        ("creator version", f"{footer.creator_version >> 16}.{footer.creator_version & 0xFFFF}"),
        ("original size", footer.original),
        ("current size", footer.current),
        ("saved state", footer.saved_state),
    ]


def _footer_at(window: Window) -> int:
    """Where the last footer is, when there is no copy of it at the start."""
    for size in (_FOOTER_SIZE, _OLD_FOOTER_SIZE):
        if window.size >= size and window.read(window.size - size, len(COOKIE)) == COOKIE:
            return window.size - size
    raise _bad("no VHD footer", max(0, window.size - _FOOTER_SIZE))


def _cut(window: Window, footer: _Footer, at: int) -> list[tuple[str, str]]:
    """Remarks on a file that is not all of its disk: cut short, or one of several parts, which neither QEMU nor libvirt puts together."""
    if footer.kind == FIXED:
        if at >= footer.current or not at:
            return []
        here = f"only {at} of {footer.current} bytes of its data are here"
        return [("truncated", f"{here}: it was cut short, or is the last part of a split disk")]
    if at:
        return [(_REFUSED, "the footer's copy at the start is gone: QEMU refuses to open it")]
    last = window.read_up_to(max(0, window.size - _FOOTER_SIZE), _FOOTER_SIZE)
    return [] if last.startswith(COOKIE) or last[1:].startswith(COOKIE) else [_remark(_FOOTER_GONE)]


def _sound(header: bytes, at: int) -> bool:
    """Whether the checksum at ``at`` is right: the one's complement of the sum of all bytes but its own."""
    return (sum(header) - sum(header[at : at + 4])) ^ 0xFFFFFFFF == int.from_bytes(header[at : at + 4], "big")


def _verify(window: Window, footer: _Footer) -> list[tuple[str, str]]:
    """Remarks on a dynamic header whose checksum is wrong, and on a footer that differs from its copy."""
    remarks: list[tuple[str, str]] = []
    if footer.kind == FIXED:
        return remarks
    if not _sound(window.read(footer.next_at, _DYNAMIC_SIZE), _DYNAMIC_CHECKSUM_AT):
        remarks.append(_remark("the dynamic header's checksum is wrong"))
    copy = window.read(0, _FOOTER_SIZE)
    last = window.read(window.size - _FOOTER_SIZE, _FOOTER_SIZE)
    if copy.startswith(COOKIE) and last.startswith(COOKIE) and last != copy:
        remarks.append(_remark("the footer and its copy at the start differ"))
    return remarks


def block_table(window: Window, footer: _Footer) -> tuple[int, int, int]:
    """Where the block table of a disk that is not fixed is, its entries, and the size of a block. Raises ImageError."""
    at = footer.next_at
    header = window.read(at, _DYNAMIC_SIZE)
    cookie, _, table_at, _, entries, block_size, _, _, _, _ = _DYNAMIC.unpack_from(header)
    if cookie != _DYNAMIC_COOKIE:
        raise _bad("no dynamic disk header", at)
    if block_size & (block_size - 1) or block_size < SECTOR:
        raise _bad(f"blocks of {block_size} bytes", at + 32)
    return table_at, entries, block_size


def _read_dynamic(window: Window, footer: _Footer, sectors: int) -> tuple[int, Identity | None, tuple[Locator, ...]]:
    """Block size, identity and parent locators."""
    at = footer.next_at
    _, entries, block_size = block_table(window, footer)
    if entries * block_size < sectors * SECTOR:
        raise _bad(f"a table of {entries} blocks, too small for the capacity", at + 28)
    if entries > _MOST_ENTRIES:
        raise _bad(f"a table of {entries} blocks, more than QEMU reads", at + 28)
    own = uuid_text(footer.unique) if footer.unique != NIL else None
    if footer.kind != _DIFFERENCING:
        return block_size, Identity(own) if own else None, ()
    header = window.read(at, _DYNAMIC_SIZE)
    _, _, _, _, _, _, _, parent, changed, name = _DYNAMIC.unpack_from(header)
    locators = read_locators(window, header[_DYNAMIC.size : _DYNAMIC.size + TABLE_SIZE])
    names = [name.decode("utf-16-be", "replace").split("\0", 1)[0]]
    names += [locator.text for locator in locators if locator.text]
    identity = Identity(
        own,
        uuid_text(parent) if parent != NIL else None,
        changed + _EPOCH if changed else None,
        tuple(dict.fromkeys(text for text in names if text)),
    )
    return block_size, identity, locators
