"""``diskchain info --json``: schema ``diskchain/info/1``."""

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from diskchain.image.encryption import ImageEncryption
from diskchain.image.header import Features, Identity, ImageHeader
from diskchain.image.raw_content import Content, PartitionTable
from diskchain.readers.file_facts import ImageFacts
from diskchain.storage.reference import redacted

INFO_SCHEMA = "diskchain/info/1"
_D = TypeVar("_D", bound=msgspec.Struct)


class KeySlotDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """A LUKS key slot. ``key-offset``: bytes from the LUKS header. No key material."""

    number: int
    active: bool
    iterations: int | None
    kdf: str | None
    key_offset: int | None
    stripes: int | None


class EncryptionDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """How the header says the image is encrypted: ``luks1``, ``luks2``, ``aes`` or ``dmg``. Offsets and sizes in bytes."""

    kind: str
    cipher: str | None
    hash: str | None
    uuid: str | None
    slots: tuple[KeySlotDocument, ...] | None
    payload_offset: int | None
    master_key_iterations: int | None
    key_bits: int | None
    payload_size: int | None


class FeaturesDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Feature bits by name. ``unknown-incompatible``: those that forbid opening the image."""

    incompatible: tuple[str, ...] = ()
    compatible: tuple[str, ...] = ()
    autoclear: tuple[str, ...] = ()
    unknown_incompatible: tuple[str, ...] = ()


class SnapshotDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """An internal snapshot. Sizes in bytes, ``date`` in seconds since 1970, ``vm-clock`` in nanoseconds."""

    id: str
    name: str
    vm_state_size: int
    date: int
    vm_clock: int
    disk_size: int | None
    date_ns: int
    icount: int | None


class BitmapDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A dirty bitmap. ``flags``: ``in-use``, ``auto``. ``granularity`` in bytes."""

    name: str
    granularity: int
    flags: tuple[str, ...]


class HeaderExtentDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A further file that holds bytes of the image, as its header names it. Sizes in bytes."""

    name: str
    kind: str
    size: int
    access: str | None
    offset: int | None


class IdentityDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Who the image is and whom it takes for its parent: UUIDs or content ids. ``parent-names`` come without passwords."""

    own: str | None
    parent: str | None
    parent_time: int | None
    parent_names: tuple[str, ...]
    own_state: str | None
    parent_state: str | None
    parent_or: str | None


class PartitionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """``start`` and ``size`` in bytes. ``kind``: the MBR type as two hex digits, or the GPT type GUID."""

    start: int
    size: int
    kind: str
    name: str


class PartitionTableDocument(msgspec.Struct, frozen=True, kw_only=True):
    """``scheme``: ``mbr`` or ``gpt``. ``sound``: whether a GPT's checksums are right."""

    scheme: str
    partitions: tuple[PartitionDocument, ...]
    sound: bool
    guid: str | None


class ContentDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What a raw image holds. ``signatures``: the image formats its bytes look like; ``other``: what it is if no disk image: ``gzip data``."""

    signatures: tuple[str, ...]
    partition_table: PartitionTableDocument | None
    iso_volume: str | None
    encryption: EncryptionDocument | None
    other: str | None = None


class RemarkDocument(msgspec.Struct, frozen=True):
    """What is odd in a header that can be read. ``id``: that of the finding it becomes."""

    id: str
    message: str


class InfoDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What ``diskchain info --json`` prints: one header.

    ``format-specific``: what only this format has, as ``qemu-img info`` calls it. ``content``: what a raw image holds; null for all others.
    """

    schema: str = INFO_SCHEMA
    filename: str
    format: str
    format_guessed: bool
    version: int | None
    virtual_size: int
    actual_size: int | None
    size: int
    cluster_size: int | None
    backing_filename: str | None
    backing_filename_format: str | None
    data_file: str | None
    data_file_raw: bool
    encryption: EncryptionDocument | None
    features: FeaturesDocument
    dirty: bool
    corrupt: bool
    snapshots: tuple[SnapshotDocument, ...]
    bitmaps: tuple[BitmapDocument, ...]
    extents: tuple[HeaderExtentDocument, ...]
    identity: IdentityDocument | None
    format_specific: dict[str, str | int | bool]
    remarks: tuple[RemarkDocument, ...]
    content: ContentDocument | None = None


def info_document(
    name: str, header: ImageHeader, facts: ImageFacts, content: Content | None = None, *, guessed: bool
) -> InfoDocument:
    """The JSON form of one header. ``content``: of a raw image."""
    return InfoDocument(
        filename=name,
        format=str(header.format),
        format_guessed=guessed,
        version=header.version,
        virtual_size=header.capacity,
        actual_size=facts.allocated,
        size=facts.size,
        cluster_size=header.cluster_size,
        backing_filename=redacted(header.backing.text) if header.backing else None,
        backing_filename_format=header.backing.format if header.backing else None,
        data_file=redacted(header.data_file) if header.data_file is not None else None,
        data_file_raw=header.data_file_raw,
        encryption=_encryption(header.encryption),
        features=_taken(FeaturesDocument, header.features or Features()),
        dirty=header.dirty,
        corrupt=header.corrupt,
        snapshots=_each(SnapshotDocument, header.snapshots),
        bitmaps=_each(BitmapDocument, header.bitmaps),
        extents=tuple(_taken(HeaderExtentDocument, each, name=redacted(each.name)) for each in header.extents),
        identity=_identity(header.identity),
        format_specific={key.replace(" ", "-"): value for key, value in header.details},
        remarks=tuple(RemarkDocument(kind, message) for kind, message in header.remarks),
        content=_content(content),
    )


def _encryption(encryption: ImageEncryption | None) -> EncryptionDocument | None:
    if encryption is None:
        return None
    slots = None if encryption.slots is None else _each(KeySlotDocument, encryption.slots)
    return _taken(EncryptionDocument, encryption, slots=slots)


def _identity(identity: Identity | None) -> IdentityDocument | None:
    if identity is None:
        return None
    return _taken(IdentityDocument, identity, parent_names=tuple(map(redacted, identity.parent_names)))


def _content(content: Content | None) -> ContentDocument | None:
    if content is None:
        return None
    return ContentDocument(
        signatures=tuple(map(str, content.signatures)),
        partition_table=_partition_table(content.partition_table),
        iso_volume=content.iso_volume,
        encryption=_encryption(content.encryption),
        other=content.other,
    )


def _partition_table(table: PartitionTable | None) -> PartitionTableDocument | None:
    if table is None:
        return None
    return _taken(PartitionTableDocument, table, partitions=_each(PartitionDocument, table.partitions))


def _each(kind: type[_D], values: Iterable[object]) -> tuple[_D, ...]:
    return tuple(_taken(kind, value) for value in values)


def _taken(kind: type[_D], value: object, **instead: Any) -> _D:
    """A document with the fields of ``value`` that have its names, some of them ``instead`` as told."""
    return kind(**{name: getattr(value, name) for name in kind.__struct_fields__} | instead)
