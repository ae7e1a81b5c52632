"""qcow2, versions 2 and 3: every header field and extension, in any order, padded to 8 bytes.

Source: QEMU ``docs/interop/qcow2.txt``; limits as QEMU 7.2 enforces them on open. Unlike libvirt before 11.6, extensions are
stepped over with their padding, so a data file named after a backing format is seen.
"""

import struct
from typing import TYPE_CHECKING, Any, Final

from diskchain.errors import ImageError, TruncatedImage
from diskchain.image.header import BackingReference, Features, ImageHeader, header_text
from diskchain.image.window import Window
from diskchain.storage.terms import Format

if TYPE_CHECKING:
    from diskchain.image.bitmap import Bitmap
    from diskchain.image.encryption import ImageEncryption
    from diskchain.image.snapshot import Snapshot

_QCOW2: Final = Format.QCOW2
_WHOLE_SECTORS: Final = -512  # what QEMU shows the guest of a capacity that ends within a sector
MAGIC: Final = b"QFI\xfb"

#: magic, version, backing offset, backing size, cluster bits, capacity, crypt method, l1 size, l1 offset, refcount table offset
#: and clusters, snapshot count and offset. Version 2 ends here, at byte 72.
_V2 = struct.Struct(">4sIQIIQIIQQIIQ")
#: … and incompatible, compatible and autoclear features, refcount order, header length.
_V3 = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_V3_SIZE: Final = _V3.size
_unpack_v3 = _V3.unpack_from
_unpack_extension = struct.Struct(">II").unpack_from
_BITMAPS = struct.Struct(">IIQQ")
_CRYPTO_POINTER = struct.Struct(">QQ")  # offset and length of the LUKS header

_VERSION_2: Final = 2
_VERSION_3: Final = 3
_CRYPT_AES: Final = 1  # QCOW_CRYPT_AES
_CRYPT_LUKS: Final = 2  # QCOW_CRYPT_LUKS

_BACKING_FORMAT: Final = 0xE2792ACA
_FEATURE_NAMES: Final = 0x6803F857
_BITMAPS_EXTENSION: Final = 0x23852875
_CRYPTO_HEADER: Final = 0x0537BE77
_DATA_FILE: Final = 0x44415441

_MIN_CLUSTER_BITS: Final = 9
_MAX_CLUSTER_BITS: Final = 21
_LONGEST_BACKING_NAME: Final = 1023
_LONGEST_FORMAT_NAME: Final = 15
_NEAR: Final = (1 << 62) - 1
_FEW_CLUSTERS: Final = 4  # of the largest size are 8 MiB, the largest refcount table
_SMALLEST_CLUSTER: Final = 512
_USUAL_REFCOUNTS: Final = 4 >> 1  # the order is 4: 16 bits
_MOST_EXTENSIONS: Final = 512  # ours; QEMU knows six kinds
_FEATURE_NAME_ROW: Final = 48

_DIRTY: Final = 1 << 0
_CORRUPT: Final = 1 << 1
_EXTERNAL_DATA: Final = 1 << 2
_COMPRESSION: Final = 1 << 3
_EXTENDED_L2: Final = 1 << 4
_SELDOM: Final = _COMPRESSION | _EXTENDED_L2
_KNOWN_INCOMPATIBLE: Final = (1 << 5) - 1
_LAZY_REFCOUNTS: Final = 1 << 0
_BITMAPS_VALID: Final = 1 << 0
_RAW_EXTERNAL: Final = 1 << 1

_INCOMPATIBLE_NAMES: Final = (
    "dirty bit",
    "corrupt bit",
    "external data file",
    "compression type",
    "extended L2 entries",
)
_COMPATIBLE_NAMES: Final = ("lazy refcounts",)
_AUTOCLEAR_NAMES: Final = ("bitmaps", "raw external data")
_COMPRESSION_TYPES: Final = ("zlib", "zstd")

_NO_FEATURES = Features()


def _bad(problem: str, offset: int) -> ImageError:
    return ImageError(problem, format="qcow2", offset=offset)


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The header at the start of ``window``; ``full`` reads snapshot table, bitmap directory and LUKS key slots too.

    Raises ImageError for anything QEMU would refuse to open, except features it may not know: those are reported.
    """
    head = window.head
    fixed = fixed_part(head)
    (
        _, version, backing_at, backing_length, cluster_bits, capacity, crypt, l1_size, l1_at, refcounts_at, refcount_clusters,
        snapshot_count, snapshots_at, incompatible, compatible, autoclear, refcount_order, header_length,
    ) = fixed  # fmt: skip
    cluster_size = 1 << cluster_bits
    if (  # rough tests that are quick; what passes them is right
        (places := l1_at | refcounts_at | snapshots_at) & cluster_size - 1
        or places > _NEAR
        or capacity > l1_size << 2 * cluster_bits - 3
        or not 0 < refcount_clusters <= _FEW_CLUSTERS
        or l1_size >> 20 | snapshot_count >> 16 | refcount_order >> 1 != _USUAL_REFCOUNTS
        or incompatible & _SELDOM
        or autoclear & _RAW_EXTERNAL
        or (
            header_length > _V3_SIZE
            and (header_length > _SMALLEST_CLUSTER or (len(head) > _V3_SIZE and head[_V3_SIZE]))
        )
    ):
        from diskchain.image.formats.qcow2.limits import check_fields

        check_fields(fixed, head)
    if backing_at:
        _check_backing_place(backing_at, backing_length, cluster_size)
    extension = read_extensions(window, header_length, backing_at or cluster_size).get
    bitmaps, crypto = extension(_BITMAPS_EXTENSION), extension(_CRYPTO_HEADER)
    if bitmaps is not None or crypto is not None or crypt:
        from diskchain.image.formats.qcow2.limits import check_pointers

        check_pointers(cluster_size, crypt, bitmaps if autoclear & _BITMAPS_VALID else None, crypto)
    backing = None
    if backing_at and backing_length:
        backing = _backing(window, backing_at, backing_length, extension(_BACKING_FORMAT))
    features = _NO_FEATURES
    if incompatible or compatible or autoclear:
        features = _features(incompatible, compatible, autoclear, extension(_FEATURE_NAMES, b""))
    return ImageHeader(
        _QCOW2,
        capacity & _WHOLE_SECTORS,
        version,
        cluster_size,
        backing,
        data_file=header_text(extension(_DATA_FILE, b"").split(b"\0", 1)[0]) if incompatible & _EXTERNAL_DATA else None,
        data_file_raw=autoclear & _RAW_EXTERNAL != 0,
        encryption=_encryption(window, crypt, crypto, full=full) if crypt else None,
        features=features,
        dirty=incompatible & _DIRTY != 0,
        corrupt=incompatible & _CORRUPT != 0,
        snapshot_count=snapshot_count,
        snapshots=_snapshots(window, snapshots_at, snapshot_count) if full and snapshot_count else (),
        bitmaps=_bitmaps(window, bitmaps) if full and bitmaps and autoclear & _BITMAPS_VALID else (),
        details=_details(window, fixed) if full else (),
    )


def _check_backing_place(at: int, length: int, cluster_size: int) -> None:
    if at > cluster_size:
        raise _bad("the backing file name is outside the first cluster", 8)
    if length > _LONGEST_BACKING_NAME or length > cluster_size - at:
        raise _bad(f"a backing file name of {length} bytes", 16)


def _backing(window: Window, at: int, length: int, backing_format: bytes | None) -> BackingReference | None:
    """What the ``length`` bytes at ``at`` name, and the format recorded for it; None for an empty name."""
    head, end = window.head, at + length
    name = head[at:end] if end <= len(head) else window.read(at, length)
    if b"\0" in name:  # where QEMU and libvirt stop reading, so "/etc/passwd\0.img" is what it looks like to them
        name = name.split(b"\0", 1)[0]
    if not name:
        return None
    recorded = None if backing_format is None else header_text(backing_format.split(b"\0", 1)[0])
    return BackingReference(name.decode("utf-8", "surrogateescape"), recorded)


def fixed_part(head: bytes) -> tuple[Any, ...]:
    """The fields of :data:`_V3`, version and cluster size being checked; those that version 2 does not have are what it implies."""
    if len(head) >= _V3_SIZE:
        fields = _unpack_v3(head)
    elif len(head) >= _V2.size:
        fields = (*_V2.unpack_from(head), 0, 0, 0, 0, 0)
    else:
        raise TruncatedImage("shorter than a header", format="qcow2", offset=len(head))
    if fields[0] != MAGIC:
        raise _bad("no qcow2 magic", 0)
    version = fields[1]
    if version == _VERSION_3:
        if len(head) < _V3_SIZE:
            raise TruncatedImage("shorter than a version 3 header", format="qcow2", offset=len(head))
        if fields[17] < _V3_SIZE:
            raise _bad(f"a header of {fields[17]} bytes", 100)
    elif version == _VERSION_2:
        fields = (*fields[:13], 0, 0, 0, 4, _V2.size)
    else:
        raise _bad(f"unknown version {version}", 4)
    if not _MIN_CLUSTER_BITS <= fields[4] <= _MAX_CLUSTER_BITS:
        raise _bad(f"clusters of 2^{fields[4]} bytes", 20)
    return fields


def read_extensions(window: Window, offset: int, last: int) -> dict[int, bytes]:
    """Payloads of the extensions from ``offset`` to ``last``, by kind. What is beyond the head is read only if they go on there."""
    found: dict[int, bytes] = {}
    area = window.head
    end = min(last, len(area))
    for _ in range(_MOST_EXTENSIONS):
        if end < offset + 8 <= last and end < window.size:
            area = window.read_up_to(0, last)
            end = len(area)
        if offset + 8 > end:
            if offset < last < offset + 8:
                raise _bad("the header extensions have no end", offset)
            return found
        kind, length = _unpack_extension(area, offset)
        if kind == 0:
            return found
        offset += 8
        if end < offset + length <= last and end < window.size:
            area = window.read_up_to(0, last)
            end = len(area)
        if offset + length > end:
            raise _bad(f"header extension {kind:#010x} of {length} bytes runs past its end", offset - 4)
        if kind == _BACKING_FORMAT and length > _LONGEST_FORMAT_NAME:
            raise _bad(f"a backing format name of {length} bytes", offset - 4)
        found[kind] = area[offset : offset + length]
        offset += (length + 7) & ~7
    raise _bad(f"more than {_MOST_EXTENSIONS} header extensions", offset)


def _known(bits: int, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for bit, name in enumerate(names) if bits >> bit & 1) if bits else ()


def _unknown(bits: int, kind: int, table: bytes) -> tuple[str, ...]:
    """Bits QEMU 7.2 does not know, by the names the image's own feature name table gives them."""
    if not bits:
        return ()
    names = {}
    for at in range(0, len(table) - _FEATURE_NAME_ROW + 1, _FEATURE_NAME_ROW):
        if table[at] == kind:
            text = table[at + 2 : at + _FEATURE_NAME_ROW].split(b"\0", 1)[0]
            names[table[at + 1]] = text.decode("utf-8", "backslashreplace")
    return tuple(names.get(bit, f"bit {bit}") for bit in range(64) if bits >> bit & 1)


def _features(incompatible: int, compatible: int, autoclear: int, table: bytes) -> Features:
    unknown = _unknown(incompatible & ~_KNOWN_INCOMPATIBLE, 0, table)
    return Features(
        _known(incompatible, _INCOMPATIBLE_NAMES) + unknown,
        _known(compatible, _COMPATIBLE_NAMES) + _unknown(compatible & ~1, 1, table),
        _known(autoclear, _AUTOCLEAR_NAMES) + _unknown(autoclear & ~3, 2, table),
        unknown,
    )


def _encryption(window: Window, crypt: int, pointer: bytes | None, *, full: bool) -> "ImageEncryption":
    from diskchain.image.encryption import ImageEncryption

    if crypt == _CRYPT_AES:
        return ImageEncryption("aes", "aes-cbc-plain64" if full else None)
    if crypt != _CRYPT_LUKS:
        raise _bad(f"unknown encryption method {crypt}", 32)
    if not full:
        return ImageEncryption("luks1")
    from diskchain.image.luks.header import read_luks

    offset, _length = _CRYPTO_POINTER.unpack(pointer or b"")  # of this length: check_pointers()
    return read_luks(window, offset, full=True)


def _snapshots(window: Window, offset: int, count: int) -> "tuple[Snapshot, ...]":
    from diskchain.image.formats.qcow2.tables import read_snapshots

    return read_snapshots(window, offset, count)


def _bitmaps(window: Window, extension: bytes) -> "tuple[Bitmap, ...]":
    from diskchain.image.formats.qcow2.tables import read_bitmaps

    count, _reserved, size, offset = _BITMAPS.unpack(extension)
    return read_bitmaps(window, offset, size, count)


def _details(window: Window, fixed: tuple[Any, ...]) -> tuple[tuple[str, str | int | bool], ...]:
    """In the order and spelling of ``qemu-img info``'s "Format specific information"."""
    version, incompatible, compatible, refcount_order, header_length = (
        fixed[1],
        fixed[13],
        fixed[14],
        fixed[16],
        fixed[17],
    )
    if version == _VERSION_2:
        return (("compat", "0.10"), ("compression type", "zlib"), ("refcount bits", 16))
    compression = 0
    if header_length > _V3.size and incompatible & _COMPRESSION:
        compression = window.read(_V3.size, 1)[0]
    name = _COMPRESSION_TYPES[compression] if compression < len(_COMPRESSION_TYPES) else f"type {compression}"
    return (
        ("compat", "1.1"),
        ("compression type", name),
        ("lazy refcounts", bool(compatible & _LAZY_REFCOUNTS)),
        ("refcount bits", 1 << refcount_order),
        ("corrupt", bool(incompatible & _CORRUPT)),
        ("extended l2", bool(incompatible & _EXTENDED_L2)),
    )
