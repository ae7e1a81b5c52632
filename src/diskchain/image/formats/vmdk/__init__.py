"""VMDK: hosted sparse extents (monolithic, split, stream-optimized), ESX sparse (COWD), SE-sparse, and text descriptors.

Which extents are opened is the descriptor's to say, so they are reported and nothing more. The parent is named by
``parentFileNameHint``, and identified by content id: ``CID`` changes with the contents, ``parentCID`` is what the parent's was. A
COWD that stands alone names its parent in its header; nobody here follows that (QEMU opens no COWD without a descriptor), so it is a
name the header has, and no backing.
Sources: VMware *Virtual Disk Format* 5.0; ``COWDisk_Header`` in its section "ESX Server sparse extents"; limits and SE-sparse as in
QEMU 7.2 ``block/vmdk.c``.
"""

import struct
from dataclasses import dataclass, replace
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.formats.vmdk.descriptor import NO_PARENT, SEARCHED, Descriptor, parse_descriptor
from diskchain.image.header import BackingReference, Identity, ImageHeader, header_text
from diskchain.image.window import Window
from diskchain.storage.terms import Format
from diskchain.units import MiB

HOSTED: Final = b"KDMV"
COWD: Final = b"COWD"
SESPARSE: Final = b"\xbe\xba\xfe\xca\x00\x00\x00\x00"

SECTOR: Final = 512
#: QEMU reads no more of a descriptor file.
_LARGEST_DESCRIPTOR: Final = MiB - 1
_LARGEST_EMBEDDED: Final = MiB  # ours; VMware reserves 20 sectors

#: magic, version, flags, capacity, grain size, descriptor offset and size, grain table entries, offsets of the redundant grain
#: directory, the grain directory and the first grain; unclean shutdown, line-ending canaries, compression. Counts are in sectors.
_HOSTED = struct.Struct("<4sIIQQQQIQQQB4sH")
_LARGEST_VERSION: Final = 3
_MOST_TABLE_ENTRIES: Final = 512
_LARGEST_GRAIN: Final = 0x200000  # sectors
_CANARIES: Final = b"\n \r\n"
_DEFLATE: Final = 1
#: The grain directory is found in the footer: a second header near the end, between two markers of a sector each.
_AT_END: Final = (1 << 64) - 1
_FOOTER_FROM_END: Final = 1536
#: value, size, type of a marker
_MARKER = struct.Struct("<QII")
_FOOTER_MARKER: Final = 3

#: magic, version, flags, capacity (sectors), grain size (sectors), grain directory offset and entries, next free sector
_COWD = struct.Struct("<4sIIIIIII")
#: In a child, where a root has its geometry: name of the parent, and the generation it had
_COWD_PARENT = struct.Struct("<1024sI")
_COWD_ROOT: Final = 1 << 0  # of the flags: COWDISK_ROOT
_COWD_INCONSISTENT: Final = 1 << 2  # COWDISK_INCONSISTENT
#: generation, name, description, saved generation, unclean shutdown, after 1028 bytes of geometry or parent
_COWD_TAIL_AT: Final = 1060
_COWD_TAIL = struct.Struct("<I60s512sI8xI")

#: magic, version, capacity, grain size, grain table size, flags; volatile header offset (all in sectors)
_SESPARSE = struct.Struct("<QQQQQQ32xQ")
_SESPARSE_VERSION: Final = 0x200000001
#: magic, free grain table, next transaction, whether the journal has to be replayed
_VOLATILE = struct.Struct("<QQQ?")
_VOLATILE_MAGIC: Final = 0xCAFECAFE

_MOST_SECTORS: Final = (1 << 54) - 1

#: Kinds of extents QEMU opens; others it skips, as it does extents that are not RW.
_OPENED: Final = frozenset({"FLAT", "SPARSE", "VMFS", "VMFSSPARSE", "SESPARSE"})


@dataclass(frozen=True, slots=True)
class _Sparse:
    """A hosted sparse header. Counts in sectors; a descriptor is inside this file when ``descriptor_at`` is not 0."""

    version: int
    flags: int
    capacity: int
    grain: int
    descriptor_at: int
    descriptor_size: int
    directory_at: int
    unclean: bool
    compression: int
    table_entries: int

    @property
    def compressed(self) -> bool:
        """Whether grains are compressed."""
        return self.compression == _DEFLATE


def _bad(problem: str, offset: int) -> ImageError:
    return ImageError(problem, format="vmdk", offset=offset)


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The header of an extent, or the descriptor, at the start of ``window``. Raises ImageError.

    The capacity of a descriptor is the sum of the extents QEMU would open.
    """
    start = window.read(0, 4)
    if start == HOSTED:
        return _hosted(window, full=full)
    if start == COWD:
        return _cowd(window, full=full)
    if window.read_up_to(0, len(SESPARSE)) == SESPARSE:
        return _sesparse(window, full=full)
    head = window.head
    text = head if b"\0" in head else window.read_up_to(0, _LARGEST_DESCRIPTOR)
    return _described(parse_descriptor(text), 0, full=full)


def _hosted(window: Window, *, full: bool) -> ImageHeader:
    first = _read_sparse(window, 0)
    descriptor = _embedded(window, first)
    if first.capacity == 0 and first.descriptor_at:
        return _described(descriptor, first.descriptor_at * SECTOR, full=full)
    streamed = first.directory_at == _AT_END
    sparse = _footer(window) if streamed else first
    details: tuple[tuple[str, str | int | bool], ...] = ()
    if full:
        compressed = ("compressed", sparse.compressed)
        details = _details(descriptor, "monolithicSparse", compressed, ("footer", streamed), ("flags", sparse.flags))
    return ImageHeader(
        Format.VMDK,
        sparse.capacity * SECTOR,
        sparse.version,
        sparse.grain * SECTOR,
        _backing(descriptor),
        dirty=sparse.unclean,
        identity=_identity(descriptor),
        details=details,
        remarks=tuple(_remarks(descriptor)),
    )


def read_hosted(window: Window) -> _Sparse:
    """The header of a hosted sparse extent that counts: the footer's where there is one. Raises ImageError."""
    first = _read_sparse(window, 0)
    return _footer(window) if first.directory_at == _AT_END else first


def _read_sparse(window: Window, at: int) -> _Sparse:
    (
        magic, version, flags, capacity, grain, descriptor_at, descriptor_size, table_entries, _, directory_at, grains_at,
        unclean, canaries, compression,
    ) = _HOSTED.unpack(window.read(at, _HOSTED.size))  # fmt: skip
    if magic != HOSTED:
        raise _bad("no sparse extent header", at)
    if not 0 < version <= _LARGEST_VERSION:
        raise _bad(f"unknown version {version}", at + 4)
    if canaries not in (_CANARIES, bytes(4)):
        raise _bad("its line endings were converted: the image is damaged", at + 73)
    if capacity > _MOST_SECTORS:
        raise _bad(f"a capacity of {capacity} sectors", at + 12)
    if capacity or not descriptor_at:
        if not 0 < grain <= _LARGEST_GRAIN:
            raise _bad(f"grains of {grain} sectors", at + 20)
        if not 0 < table_entries <= _MOST_TABLE_ENTRIES:
            raise _bad(f"grain tables of {table_entries} entries", at + 44)
        if grains_at * SECTOR > window.size:
            raise _bad("the file ends before its first grain", at + 64)
    return _Sparse(
        version,
        flags,
        capacity,
        grain,
        descriptor_at,
        descriptor_size,
        directory_at,
        bool(unclean),
        compression,
        table_entries,
    )


def _footer(window: Window) -> _Sparse:
    at = window.size - _FOOTER_FROM_END
    _, size, kind = _MARKER.unpack(window.read(at, _MARKER.size))
    if size or kind != _FOOTER_MARKER:
        raise _bad("no footer where the header says", at)
    return _read_sparse(window, at + SECTOR)


def _embedded(window: Window, sparse: _Sparse) -> Descriptor:
    """The descriptor inside a sparse extent; empty in extents of a split disk.

    QEMU and libvirt look for the parent behind the header, wherever the header says the descriptor is. Both places count.
    """
    at_hand = window.head[SECTOR:]
    # Nearly all descriptors are shorter than what was read with the header, and end in NUL.
    behind = parse_descriptor(at_hand if b"\0" in at_hand else window.read_up_to(SECTOR, SEARCHED), SECTOR)
    at, size = sparse.descriptor_at * SECTOR, sparse.descriptor_size * SECTOR
    if at in (0, SECTOR) and size <= SEARCHED:
        return behind
    if size > _LARGEST_EMBEDDED:
        raise _bad(f"a descriptor of {size} bytes", 36)
    named = parse_descriptor(window.read_up_to(at, size), at)
    return replace(named, parents=tuple(dict.fromkeys((*behind.parents, *named.parents))))


def read_cowd(window: Window) -> tuple[int, int, int, int]:
    """Of an ESX sparse extent: capacity, grain size, and where its grain directory is, in bytes; and the entries of that."""
    _, _, _, sectors, grain, directory_at, entries, _ = _COWD.unpack(window.read(0, _COWD.size))
    return sectors * SECTOR, grain * SECTOR, directory_at * SECTOR, entries


def _cowd(window: Window, *, full: bool) -> ImageHeader:
    _, version, flags, sectors, grain, _, _, _ = _COWD.unpack(window.read(0, _COWD.size))
    if version != 1:
        raise _bad(f"unknown version {version}", 4)
    if not 0 < grain <= _LARGEST_GRAIN:
        raise _bad(f"grains of {grain} sectors", 16)
    generation, name, description, _, unclean = _COWD_TAIL.unpack(window.read(_COWD_TAIL_AT, _COWD_TAIL.size))
    parent, parent_generation = b"", 0
    if not flags & _COWD_ROOT:
        parent, parent_generation = _COWD_PARENT.unpack(window.read(_COWD.size, _COWD_PARENT.size))
    parent_name = header_text(parent.split(b"\0", 1)[0])
    details: list[tuple[str, str | int | bool]] = []
    if full:
        details = [("create type", "vmfsSparse"), ("flags", flags), ("generation", generation)]
        details += [("parent generation", parent_generation)] if parent_name else []
        texts = (("name", name), ("description", description))
        details += [(key, text) for key, raw in texts if (text := header_text(raw.split(b"\0", 1)[0]))]
    return ImageHeader(
        Format.VMDK,
        sectors * SECTOR,
        version,
        grain * SECTOR,
        dirty=bool(unclean or flags & _COWD_INCONSISTENT),
        identity=Identity(parent_names=(parent_name,)) if parent_name else None,
        details=tuple(details),
    )


def _sesparse(window: Window, *, full: bool) -> ImageHeader:
    _, version, sectors, grain, table_size, flags, volatile_at = _SESPARSE.unpack(window.read(0, _SESPARSE.size))
    if version != _SESPARSE_VERSION:
        raise _bad(f"unknown version {version:#x}", 8)
    if not 0 < grain <= _LARGEST_GRAIN:
        raise _bad(f"grains of {grain} sectors", 24)
    if sectors > _MOST_SECTORS:
        raise _bad(f"a capacity of {sectors} sectors", 16)
    magic, _, _, replay = _VOLATILE.unpack(window.read(volatile_at * SECTOR, _VOLATILE.size))
    if magic != _VOLATILE_MAGIC:
        raise _bad("no volatile header", volatile_at * SECTOR)
    details: tuple[tuple[str, str | int | bool], ...] = ()
    if full:
        details = (("create type", "seSparse"), ("flags", flags), ("grain table size", table_size * SECTOR))
    return ImageHeader(Format.VMDK, sectors * SECTOR, 2, grain * SECTOR, dirty=replay, details=details)


def _described(descriptor: Descriptor, at: int, *, full: bool) -> ImageHeader:
    """The header of a disk whose bytes are in other files."""
    extents = descriptor.extents()
    if not extents and "createType" not in descriptor.settings():
        raise _bad("neither a sparse extent nor a descriptor", at)
    opened = sum(extent.size for extent in extents if extent.access == "RW" and extent.kind in _OPENED and extent.name)
    skipped = sum(extent.size for extent in extents) - opened
    if opened > _MOST_SECTORS * SECTOR:
        raise _bad("extents too large for one disk", at)
    remarks = _remarks(descriptor)
    refused = descriptor.refused()
    if refused is not None:
        remarks.append(("unsupported-image", f"QEMU does not open a VMDK descriptor with {refused}"))
    elif skipped:
        remarks.append(
            ("malformed", f"QEMU skips {skipped} bytes of extents that are read-only or of a kind it does not know")
        )
    return ImageHeader(
        Format.VMDK,
        opened,
        backing=_backing(descriptor),
        extents=extents,
        identity=_identity(descriptor),
        details=_details(descriptor, "custom") if full else (),
        remarks=tuple(remarks),
    )


def _remarks(descriptor: Descriptor) -> list[tuple[str, str]]:
    if not descriptor.parents[1:]:
        return []
    return [("malformed", "the parent is named more than once, and differently: QEMU, libvirt and VMware may disagree")]


def _backing(descriptor: Descriptor) -> BackingReference | None:
    return BackingReference(descriptor.parents[0], "vmdk", implied=True) if descriptor.parents else None


def _identity(descriptor: Descriptor) -> Identity | None:
    if descriptor.cid is None:
        return None
    parent = descriptor.parent_cid
    return Identity(descriptor.cid, parent if parent != NO_PARENT else None, parent_names=descriptor.parents)


def _details(
    descriptor: Descriptor, create_type: str, *more: tuple[str, str | int | bool]
) -> tuple[tuple[str, str | int | bool], ...]:
    """In the order and spelling of ``qemu-img info``; then ``more``, and everything else the descriptor sets.

    That is the disk database, change tracking, long content ids. ``create_type``: what it is when the descriptor does not say.
    """
    cids = (("cid", descriptor.cid), ("parent cid", descriptor.parent_cid))
    numbers: list[tuple[str, str | int | bool]] = [(name, int(cid, 16)) for name, cid in cids if cid]
    settings = descriptor.settings()
    shown = {"CID", "parentCID", "createType", "parentFileNameHint", "version"}
    others = [(key, value) for key, value in settings.items() if key not in shown]
    return (*numbers, ("create type", settings.get("createType") or create_type), *more, *others)
