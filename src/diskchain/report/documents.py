"""The JSON documents diskchain prints, as typed values: a contract, versioned by ``schema``, published as JSON Schema.

Key names are those of ``qemu-img info --output=json`` where the meaning is the same. Sizes are bytes. Lists of layers are
flat, top first. Keys are only ever added within a version. Imported only when JSON is asked for.
"""

from typing import Any

import msgspec

from diskchain.discover.chain import BackingChain, Layer
from diskchain.findings import Finding
from diskchain.image.header import ImageHeader
from diskchain.readers.facts import ImageFacts
from diskchain.storage.location import describe_location
from diskchain.storage.reference import redacted
from diskchain.storage.source import Terminator

CHAIN_SCHEMA = "diskchain/chain/1"
INFO_SCHEMA = "diskchain/info/1"


class FindingDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """One finding. ``id`` is stable and documented; ``fix`` is a shell command that would mend it."""

    id: str
    severity: str
    message: str
    file: str | None = None
    referrer: str | None = None
    line: int | None = None
    fix: str | None = None


class DataFileDocument(msgspec.Struct, frozen=True, rename="kebab"):
    """The external data file of a qcow2 layer."""

    filename: str
    type: str
    virtual_size: int | None
    actual_size: int | None
    findings: tuple[FindingDocument, ...] = ()


class LayerDocument(msgspec.Struct, frozen=True, rename="kebab"):
    """One layer. ``position`` counts from 0 at the top; ``index`` is libvirt's, in live domains only.

    ``format-origin``: declared, recorded, probed or assumed. ``reference``: the string the overlay's header holds.
    ``backing-filename``: the string this layer's header holds. Passwords in either are replaced by ``…``. ``size``: length of the container.
    """

    position: int
    index: int | None
    type: str
    filename: str
    reference: str | None
    format: str | None
    format_origin: str
    virtual_size: int | None
    actual_size: int | None
    size: int | None
    cluster_size: int | None
    backing_filename: str | None
    backing_filename_format: str | None
    encryption: str | None
    snapshots: int
    readonly: bool
    detected: bool
    data_file: DataFileDocument | None
    findings: tuple[FindingDocument, ...]


class DiskDocument(msgspec.Struct, frozen=True):
    """One disk. ``end``: ``declared`` or ``detected`` where the chain is known to end, else ``unknown``."""

    disk: str
    complete: bool
    end: str
    layers: tuple[LayerDocument, ...]


class ChainDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain show --json`` prints. ``findings`` belong to no single layer."""

    schema: str = CHAIN_SCHEMA
    target: str
    disks: tuple[DiskDocument, ...]
    findings: tuple[FindingDocument, ...] = ()


def finding_document(found: Finding) -> FindingDocument:
    """The JSON form of a finding."""
    return FindingDocument(
        found.id, str(found.severity), found.message, found.file, found.referrer, found.line, found.fix
    )


def disk_document(name: str, chain: BackingChain) -> DiskDocument:
    """The JSON form of one disk's chain."""
    layers = tuple(chain.layers)
    backing = layers[-1].source.backing
    end = ("detected" if backing.detected else "declared") if isinstance(backing, Terminator) else "unknown"
    return DiskDocument(name, chain.complete, end, tuple(_layer(i, layer) for i, layer in enumerate(layers)))


def _layer(position: int, layer: Layer) -> LayerDocument:
    source, header, facts = layer.source, layer.header, layer.facts
    return LayerDocument(
        position=position,
        index=source.chain_index,
        type=str(source.location.type),
        filename=describe_location(source.location),
        reference=redacted(source.reference) if source.reference is not None else None,
        format=str(source.format) if source.format else None,
        format_origin=str(layer.origin),
        virtual_size=header.capacity if header else None,
        actual_size=facts.allocated if facts else None,
        size=facts.size if facts else None,
        cluster_size=header.cluster_size if header else None,
        backing_filename=redacted(header.backing.text) if header and header.backing else None,
        backing_filename_format=header.backing.format if header and header.backing else None,
        encryption=_encryption(layer),
        snapshots=header.snapshot_count if header else 0,
        readonly=source.readonly,
        detected=source.detected,
        data_file=_data_file(layer.data_file) if layer.data_file else None,
        findings=tuple(map(finding_document, layer.findings)),
    )


def _encryption(layer: Layer) -> str | None:
    if layer.header is not None and layer.header.encryption is not None:
        return layer.header.encryption.kind
    return str(layer.source.encryption.format) if layer.source.encryption else None


def _data_file(layer: Layer) -> DataFileDocument:
    return DataFileDocument(
        describe_location(layer.source.location),
        str(layer.source.location.type),
        layer.header.capacity if layer.header else None,
        layer.facts.allocated if layer.facts else None,
        tuple(map(finding_document, layer.findings)),
    )


class InfoDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What ``diskchain info --json`` prints: one header. Keys as in :class:`diskchain.image.header.ImageHeader`."""

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
    encryption: dict[str, Any] | None
    features: dict[str, list[str]]
    dirty: bool
    corrupt: bool
    snapshots: list[dict[str, Any]]
    bitmaps: list[dict[str, Any]]
    extents: list[dict[str, Any]]
    identity: dict[str, Any] | None
    format_specific: dict[str, Any]
    remarks: list[dict[str, str]]


def info_document(name: str, header: ImageHeader, facts: ImageFacts, *, guessed: bool) -> InfoDocument:
    """The JSON form of one header."""
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
        encryption=_plain(header.encryption) if header.encryption else None,
        features=_plain(header.features) if header.features else {},
        dirty=header.dirty,
        corrupt=header.corrupt,
        snapshots=[_plain(snapshot) for snapshot in header.snapshots],
        bitmaps=[_plain(bitmap) for bitmap in header.bitmaps],
        extents=[_plain(extent) for extent in header.extents],
        identity=_plain(header.identity) if header.identity else None,
        format_specific={key.replace(" ", "-"): value for key, value in header.details},
        remarks=[{"id": kind, "message": message} for kind, message in header.remarks],
    )


def _plain(value: Any) -> Any:
    """A NamedTuple as an object, whatever is in it."""
    if hasattr(value, "_asdict"):
        return {key.replace("_", "-"): _plain(part) for key, part in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


def to_json(document: msgspec.Struct) -> str:
    """Indented ASCII JSON. File names that are not UTF-8 keep their bytes as lone surrogates, escaped."""
    import json

    return json.dumps(msgspec.to_builtins(document), indent=2, ensure_ascii=True)


def schema(document: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a document type."""
    return msgspec.json.schema(document)
