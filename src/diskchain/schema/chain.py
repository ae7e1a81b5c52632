"""``diskchain show --json``: schema ``diskchain/chain/1``."""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from diskchain.discover.chain import BackingChain, Layer, Origin
from diskchain.schema.base import FindingDocument, finding_document
from diskchain.storage.location import describe_location
from diskchain.storage.reference import redacted
from diskchain.storage.source import Source, Terminator

CHAIN_SCHEMA = "diskchain/chain/1"


class DataFileDocument(msgspec.Struct, frozen=True, rename="kebab"):
    """The external data file of a qcow2 layer."""

    filename: str
    type: str
    virtual_size: int | None
    actual_size: int | None
    findings: tuple[FindingDocument, ...] = ()


class ExtentDocument(msgspec.Struct, frozen=True, rename="kebab"):
    """A file that holds data of a VMDK. ``reference``: its name as the descriptor has it. ``offset``: where in it the data begins."""

    filename: str
    type: str
    reference: str | None
    format: str | None
    offset: int
    virtual_size: int | None
    actual_size: int | None
    findings: tuple[FindingDocument, ...] = ()


class LayerDocument(msgspec.Struct, frozen=True, rename="kebab"):
    """One layer. ``position`` counts from 0 at the top; ``index`` is libvirt's, in live domains only.

    ``name``: the layer as every verb takes it. ``opened``: the file of this host that was opened for it, where that is another, as with
    ``--root``.
    ``format-origin``: declared, recorded, probed or assumed. ``reference``: the string the overlay's header holds.
    ``backing-filename``: the string this layer's header holds. Passwords in either are replaced by ``…``. ``size``: length of the
    container.
    """

    position: int
    index: int | None
    type: str
    filename: str
    reference: str | None
    format: str | None
    format_origin: Origin
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
    extents: tuple[ExtentDocument, ...] = ()
    name: str | None = None
    opened: str | None = None


class DiskDocument(msgspec.Struct, frozen=True):
    """One disk. ``end``: ``declared`` or ``detected`` where the chain is known to end, else ``unknown``."""

    disk: str
    complete: bool
    end: Literal["declared", "detected", "unknown"]
    layers: tuple[LayerDocument, ...]


class ChainDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain show --json`` prints. ``findings`` belong to no single layer."""

    schema: str = CHAIN_SCHEMA
    target: str
    disks: tuple[DiskDocument, ...]
    findings: tuple[FindingDocument, ...] = ()


def disk_document(
    name: str,
    chain: BackingChain,
    first: int = 0,
    *,
    names: Sequence[str] = (),
    disk: str | None = None,
    opened: Callable[[Source], str | None] | None = None,
) -> DiskDocument:
    """The JSON form of one disk's chain; ``first``: the position of its top in the chain it is the lower part of.

    ``names``: of its layers, as every verb takes them. ``disk``: the target of the disk, None where it is that of no domain. ``opened``: which file is opened for a source, where that is not what its path says.
    """
    layers = tuple(chain.layers)
    backing = layers[-1].source.backing
    end: Literal["declared", "detected", "unknown"]
    end = ("detected" if backing.detected else "declared") if isinstance(backing, Terminator) else "unknown"
    called = names or (None,) * len(layers)
    found = tuple(
        _layer(position, layer, disk, name, opened)
        for position, (layer, name) in enumerate(zip(layers, called, strict=True), start=first)
    )
    return DiskDocument(name, chain.complete, end, found)


def _layer(
    position: int,
    layer: Layer,
    disk: str | None,
    name: str | None,
    opened: Callable[[Source], str | None] | None,
) -> LayerDocument:
    source, header, facts = layer.source, layer.header, layer.facts
    return LayerDocument(
        position=position,
        index=source.chain_index,
        type=str(source.location.type),
        filename=describe_location(source.location),
        reference=redacted(source.reference) if source.reference is not None else None,
        format=str(source.format) if source.format else None,
        format_origin=layer.origin,
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
        data_file=_data_file(layer.data_file, disk, name) if layer.data_file else None,
        findings=_findings(layer, disk, name),
        extents=tuple(_extent(extent, disk, name) for extent in layer.extents),
        name=name,
        opened=opened(source) if opened is not None else None,
    )


def _encryption(layer: Layer) -> str | None:
    if layer.header is not None and layer.header.encryption is not None:
        return layer.header.encryption.kind
    return str(layer.source.encryption.format) if layer.source.encryption else None


def _findings(layer: Layer, disk: str | None, name: str | None) -> tuple[FindingDocument, ...]:
    return tuple(finding_document(found._replace(disk=disk, layer=name)) for found in layer.findings)


def _data_file(layer: Layer, disk: str | None, name: str | None) -> DataFileDocument:
    return DataFileDocument(
        describe_location(layer.source.location),
        str(layer.source.location.type),
        layer.header.capacity if layer.header else None,
        layer.facts.allocated if layer.facts else None,
        _findings(layer, disk, name),
    )


def _extent(layer: Layer, disk: str | None, name: str | None) -> ExtentDocument:
    source, part = layer.source, layer.source.slice
    return ExtentDocument(
        describe_location(source.location),
        str(source.location.type),
        redacted(source.reference) if source.reference is not None else None,
        str(source.format) if source.format else None,
        part.offset if part is not None else 0,
        layer.header.capacity if layer.header else part.size if part is not None else None,
        layer.facts.allocated if layer.facts else None,
        _findings(layer, disk, name),
    )
