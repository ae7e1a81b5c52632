"""What is said of a layer that plain tests do not let pass: flags, sizes, ids, references, modes, and who else writes to it.

Which layers those are, :mod:`~diskchain.checks.consistency` finds; imported for them alone, as nearly every image is in order. Pure, unless
directories are given to check against.
"""

from collections.abc import Iterator, Mapping
from stat import S_IMODE, S_IWGRP, S_IWOTH
from typing import Final

from diskchain.checks import messages as observations
from diskchain.checks.refused import refused_by_qemu
from diskchain.checks.relations import UNUSED, FileIdentity, Use, clashes
from diskchain.discover.chain import Layer, Origin
from diskchain.discover.resolve import RECORDED_FORMATS, followed_credentials
from diskchain.errors import printable
from diskchain.findings import Finding, Severity, finding
from diskchain.image.header import Identity, ImageHeader
from diskchain.readers.policy import lies_in
from diskchain.storage.location import DirLocation, FileLocation, describe_location, local_path
from diskchain.storage.reference import redacted
from diskchain.storage.terms import BACKING_FORMATS, Format, StorageType
from diskchain.units import MiB

_DECLARED: Final = Origin.DECLARED
#: How backing strings begin that libvirt follows, and that may hold a login.
_LOGINS: Final = ("json:", "rbd:")
_SECTOR: Final = 512  # capacities are rounded up to sectors
#: Logical volumes are rounded up to whole extents (oVirt's are this large); what lies behind the disk is no data.
_LARGEST_EXTENT: Final = 128 * MiB
_CLOCK_STEP: Final = 2  # seconds: FAT keeps no finer times
#: Types for which libvirt picks the driver that opens nothing else.
_OPENED_AS_SUCH: Final = frozenset({StorageType.FILE, StorageType.BLOCK, StorageType.DIR})


def remarks(
    layer: Layer, above: Layer | None, allowed: tuple[str, ...], used: Mapping[FileIdentity, Use]
) -> Iterator[Finding]:
    """All that is to be said of ``layer``, under the layer ``above``; ``allowed`` and ``used`` as for ``examine``."""
    header, below = layer.header, layer.below
    if header is not None:
        yield from _flags(layer, header, above)
        yield from _data_file(layer, header)
        yield from _references(layer, header)
        if below is not None and below.header is not None:
            yield from _sizes(layer, below)
            yield from _parent(layer, below)
    if below is not None:
        yield from _declaration(layer, below)
    yield from _place(layer, above, allowed)
    yield from clashes(layer, used) if above is None else _writers(layer, used)


def _flags(layer: Layer, header: ImageHeader, above: Layer | None) -> Iterator[Finding]:
    """What the header says of its own state."""
    name = _name(layer)
    if header.format is Format.RAW:
        yield from _raw(layer, header, above)
        return
    for id, message in header.remarks:
        severity = Severity.WARNING if id == "malformed" else None  # it could be read all the same
        yield finding(id, f"{printable(name)}: {message}", severity=severity, file=name)
    if header.dirty:
        read_only = layer.source.readonly or above is not None
        yield observations.dirty(name, header.format, base=above is not None, read_only=read_only)
    if header.corrupt:
        yield observations.corrupt(name, header.format)
    if header.features is not None and header.features.unknown_incompatible:
        yield observations.unknown_features(name, header.features.unknown_incompatible)
    encryption = header.encryption
    if encryption is not None and encryption.kind == "aes":
        yield observations.legacy_encryption(name, header.format)
    elif encryption is not None and encryption.kind == "luks2":
        declared = layer.source.format is Format.LUKS or bool(
            layer.source.encryption and layer.source.encryption.secrets
        )
        yield observations.luks2(name, opened=declared or above is not None)
    identity = header.identity
    if identity is not None and (
        (identity.parent is not None and header.format in observations.DIFFERENCING)
        or (header.format is Format.VMDK and identity.parent_names and header.backing is None)
    ):
        yield observations.parent_unsupported(name, header.format, identity, opens=not refused_by_qemu(header))


def _raw(layer: Layer, header: ImageHeader, above: Layer | None) -> Iterator[Finding]:
    """A disk that begins like a container. Below an overlay somebody took one for the other; on top, its guest may have written that.

    Said of no disk that was assumed to be raw (``format-assumed-raw`` did), nor where record and document disagree anyway.
    """
    if not header.remarks or layer.origin is Origin.ASSUMED:
        return
    [(_, begins)] = header.remarks
    name = _name(layer)
    if above is None:
        yield observations.raw_with_header(name, begins)
        return
    recorded = above.header.backing if above.header is not None else None
    if layer.origin is not _DECLARED or recorded is None or recorded.format == "raw" or recorded.format is None:
        yield observations.container_as_raw(name, _name(above), begins, layer.origin)


def _data_file(layer: Layer, header: ImageHeader) -> Iterator[Finding]:
    """Whether the data file is as long as the disk, as QEMU makes and keeps it."""
    data = layer.data_file
    if data is None or data.facts is None or data.facts.type is StorageType.DIR or header.data_file is None:
        return
    name = _name(data)
    if data.facts.size < header.capacity:
        yield observations.data_file_truncated(
            _name(layer), name, data.facts.size, header.capacity, raw=header.data_file_raw
        )


def _references(layer: Layer, header: ImageHeader) -> Iterator[Finding]:
    """How the header names other files."""
    name = _name(layer)
    named = header.backing
    if named is not None and named.text.startswith("json:"):
        yield observations.json_reference(name, named.text)
    if named is not None and named.text.startswith(_LOGINS) and (held := followed_credentials(named.text)):
        yield observations.credentials_dropped(name, held)
    if header.data_file is not None:
        data = layer.data_file
        shown = describe_location(data.source.location) if data is not None else redacted(header.data_file)
        yield observations.data_file_reference(name, shown, over_backing=named is not None)


def _sizes(layer: Layer, below: Layer) -> Iterator[Finding]:
    if layer.header is None or below.header is None:
        return
    capacity, base = layer.header.capacity, below.header.capacity
    hidden = base - capacity
    if -_SECTOR < hidden < _SECTOR:
        return
    if hidden < 0:
        yield observations.larger(_name(layer), _name(below), capacity, base)
    elif not (_is_raw_device(below) and hidden < _LARGEST_EXTENT):
        yield observations.smaller(_name(layer), _name(below), capacity, base)


def _is_raw_device(layer: Layer) -> bool:
    return layer.source.format is Format.RAW and layer.facts is not None and layer.facts.type is StorageType.BLOCK


def _parent(layer: Layer, below: Layer) -> Iterator[Finding]:
    """Whether the backing file is the image the overlay was made over, where the overlay remembers one."""
    header, base = layer.header, below.header
    if header is None or base is None or header.identity is None or header.format is not base.format:
        return
    mine, its = header.identity, base.identity or Identity()
    overlay, name = _name(layer), _name(below)
    if mine.parent is not None and (its.own is None or its.own not in (mine.parent, mine.parent_or)):
        yield observations.other_parent(overlay, name, mine.parent, its.own)
    elif mine.parent_state is not None and its.own_state != mine.parent_state:
        yield observations.other_parent(overlay, name, mine.parent_state, its.own_state)
    elif mine.parent_time is not None and _modified(below) > mine.parent_time + _CLOCK_STEP:
        yield observations.written_since(overlay, name)


def _modified(layer: Layer) -> float:
    """When the layer's file was last modified, in seconds since 1970; 0 when nobody knows."""
    return layer.facts.modified or 0.0 if layer.facts is not None else 0.0


def _declaration(layer: Layer, below: Layer) -> Iterator[Finding]:
    """What the document says of the layer below, against the format above and what the header records."""
    if below.origin is not _DECLARED:
        return
    format, name, base = layer.source.format, _name(layer), _name(below)
    if format is not None and format not in BACKING_FORMATS:
        yield observations.backing_on_raw(name, format, base)
    named = layer.header.backing if layer.header is not None else None
    declared = below.source.format
    if named is None or named.format is None or named.implied or declared is None:
        return
    # QEMU records its own names, of which libvirt does not know those of VHDX and Parallels: the document says what is meant.
    if RECORDED_FORMATS.get(named.format, Format.RAW) is not declared and named.format != declared.value:
        yield observations.declared_otherwise(base, name, declared, named.format)


def _place(layer: Layer, above: Layer | None, allowed: tuple[str, ...]) -> Iterator[Finding]:
    """Where the layer is."""
    location = layer.source.location
    path = local_path(location)
    if not path:
        return
    referrer = _name(above) if above is not None else None
    is_dir = isinstance(location, DirLocation) and layer.source.format is not Format.FAT
    if referrer is not None and layer.source.detected and is_dir:
        yield observations.directory(path, referrer)
    handed_over = isinstance(location, FileLocation) and location.fdgroup
    said = location.type if location.type in _OPENED_AS_SUCH and not layer.source.detected and not handed_over else None
    if said is not None and layer.facts is not None and layer.facts.type is not said:
        yield observations.other_type(path, said, layer.facts.type)
    if path[0] != "/" and not handed_over:
        yield observations.relative_unresolvable(path, referrer)
    if allowed and referrer is not None:
        for part in layer.files:
            file = local_path(part.source.location)
            if file is not None and not lies_in(file, allowed):
                yield observations.outside(_name(part), referrer, allowed)


def _writers(layer: Layer, used: Mapping[FileIdentity, Use]) -> Iterator[Finding]:
    """Who may write, or does write, to this backing file, its data file and its extents."""
    for part in layer.files:
        if part.facts is None or part.facts.mode is None:
            continue
        name, mode = _name(part), S_IMODE(part.facts.mode)
        identity = part.facts.identity
        use = used.get(identity, UNUSED) if identity is not None else UNUSED
        if use.writer is not None:
            yield observations.written_elsewhere(name, use.writer)
        if mode & S_IWOTH:
            yield observations.world_writable(name, mode)
        elif mode & S_IWGRP and use.overlays > 1:
            yield observations.group_writable(name, mode, use.overlays)


def _name(layer: Layer) -> str:
    return describe_location(layer.source.location)
