"""What a chain lacks: the files that are not where a header or a document says, and what is known of each. Pure.

A backing file, a data file, an extent of a VMDK, a layer that a document declares, a parent that only its own hypervisor reads, and a
name that only another system understands: all are looked for in the same way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from os.path import basename
from typing import Final

from diskchain.checks.messages import DIFFERENCING
from diskchain.discover.chain import BackingChain, Layer
from diskchain.image.header import Identity, ImageHeader
from diskchain.storage.location import local_path
from diskchain.storage.reference.foreign_name import foreign_name, last_component
from diskchain.storage.terms import BACKING_FORMATS, Format

FileIdentity = tuple[int, int]
_SPARSE: Final = "SPARSE"
#: What programs write where an image has no id of its own yet: VMware's content ids of an image without a parent and of one never
#: written to, and a UUID of zeros. Many images have them.
_NO_IDS: Final = frozenset(("ffffffff", "fffffffe", "00000000-0000-0000-0000-000000000000"))


class Part(StrEnum):
    """What of a chain is missing. ``DECLARED``: a layer that a document names. ``PARENT``: nobody here follows the name."""

    BACKING = "backing"
    DATA = "data"
    EXTENT = "extent"
    DECLARED = "declared"
    PARENT = "parent"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file that is not there, by what names it.

    ``part``, ``position``: what it is to which layer, the top being 0 (for a backing file, that of the layer that names it). ``name``: how
    findings call it: its path, for want of one the name that is stored, or its id. ``path``: where it should be on this host, if its
    name says. ``stored``: the name in the header. ``format``: as recorded or declared. ``capacity``, ``size``: what it should have at
    least, in bytes. ``identities``: the ids remembered of it. ``namer``: the file that names it. ``exclude``: files that it cannot be.
    """

    part: Part
    position: int
    name: str
    path: str | None = None
    stored: str | None = None
    format: Format | None = None
    capacity: int | None = None
    size: int | None = None
    identities: frozenset[str] = frozenset()
    namer: str | None = None
    exclude: frozenset[FileIdentity] = frozenset()

    @property
    def meant(self) -> str:
        """The path that the name stands for to whoever understands it, on whatever system."""
        if self.path is not None or self.stored is None:
            return self.path or self.name
        foreign = foreign_name(self.stored)
        return foreign.path if foreign is not None and foreign.path is not None else self.stored

    @property
    def last(self) -> str:
        """The name of the file without its directory, on whatever system that was written; empty if only an id is known."""
        if self.stored is not None and self.part is not Part.DECLARED:
            return last_component(self.stored)
        return basename(self.path) if self.path is not None else last_component(self.name)


def wanted_files(chain: BackingChain) -> Iterator[Wanted]:
    """Everything ``chain`` lacks, top first. At most one backing file: nothing is known of what is below a missing one."""
    above: Layer | None = None
    met: set[FileIdentity] = set()
    for position, layer in enumerate(chain.layers):
        for file in layer.files:
            if file.facts is not None and file.facts.identity is not None:
                met.add(file.facts.identity)
        exclude = frozenset(met)
        path = _missing_path(layer)
        if path is not None:
            yield _layer(path, position, layer, above, exclude)
        yield from _parts(position, layer, exclude)
        if layer.below is None and layer.header is not None:
            yield from _unfollowed(position, layer, layer.header, exclude)
        above = layer


def _missing_path(file: Layer) -> str | None:
    path = local_path(file.source.location)
    return path if any(found.id == "missing" and found.file == path for found in file.findings) else None


def _ids(identity: Identity | None) -> frozenset[str]:
    known = (identity.parent, identity.parent_or) if identity else ()
    return frozenset(id for id in known if id is not None and id.lower() not in _NO_IDS)


def _format_in(header: ImageHeader) -> Format | None:
    """The format of the backing file by the header, which may allow one alone."""
    named = header.backing.format if header.backing is not None else None
    return next((format for format in Format if format == named), None)


def _layer(path: str, position: int, layer: Layer, above: Layer | None, exclude: frozenset[FileIdentity]) -> Wanted:
    header = above.header if above is not None else None
    if above is None or header is None or not layer.source.detected:
        capacity, ids = (header.capacity, _ids(header.identity)) if header is not None else (None, frozenset[str]())
        return Wanted(
            Part.DECLARED, position, path, path, None, layer.source.format, capacity, None, ids, exclude=exclude
        )
    return Wanted(
        Part.BACKING,
        position - 1,
        path,
        path,
        layer.source.reference,
        layer.source.format or _format_in(header),
        header.capacity,
        identities=_ids(header.identity),
        namer=local_path(above.source.location),
        exclude=exclude,
    )


def _parts(position: int, layer: Layer, exclude: frozenset[FileIdentity]) -> Iterator[Wanted]:
    """The data file and the extents of a layer."""
    header, namer = layer.header, local_path(layer.source.location)
    if layer.data_file is not None and (path := _missing_path(layer.data_file)) is not None:
        source = layer.data_file.source
        size = header.capacity if header is not None else None
        part = Part.DATA if source.detected else Part.DECLARED
        yield Wanted(part, position, path, path, source.reference, Format.RAW, None, size, frozenset(), namer, exclude)
    followed = {file.source.reference: file for file in layer.extents}
    for extent in header.extents if header is not None else ():
        file = followed.get(extent.name)
        path = _missing_path(file) if file is not None else None
        if path is None and (file is not None or foreign_name(extent.name) is None):
            continue
        sparse, end = _SPARSE in extent.kind, extent.size + (extent.offset or 0)
        yield Wanted(
            Part.EXTENT,
            position,
            path or extent.name,
            path,
            extent.name,
            Format.VMDK if sparse else Format.RAW,
            extent.size if sparse else None,
            None if sparse else end,
            namer=namer,
            exclude=exclude,
        )


def _unfollowed(position: int, layer: Layer, header: ImageHeader, exclude: frozenset[FileIdentity]) -> Iterator[Wanted]:
    """What a header names and nobody here follows: a name of another system, a parent of another hypervisor."""
    named, identity = header.backing, header.identity
    namer = local_path(layer.source.location)
    if header.format in DIFFERENCING and identity is not None and identity.parent is not None:
        name = identity.parent_names[0] if identity.parent_names else identity.parent
        stored = identity.parent_names[0] if identity.parent_names else None
        ids = _ids(identity)
        yield Wanted(
            Part.PARENT, position, name, None, stored, header.format, header.capacity, None, ids, namer, exclude
        )
    elif named is not None and layer.source.format in BACKING_FORMATS:
        if all(found.id not in ("foreign-reference", "reference-syntax") for found in layer.findings):
            return
        yield Wanted(
            Part.BACKING,
            position,
            named.text,
            None,
            named.text,
            _format_in(header),
            header.capacity,
            identities=_ids(identity),
            namer=namer,
            exclude=exclude,
        )
