"""What all plans begin with: a chain's layers and files as they are, and what keeps any job from it.

Nothing is planned on a chain that is not known to its end, or in which something is wrong: a job would carry the fault on.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from diskchain.discover.chain import BackingChain, Layer
from diskchain.errors import UsageError
from diskchain.findings import Finding, Severity, finding
from diskchain.jobs.evidence import look_all
from diskchain.jobs.plan import PlannedLayer, Repoint, SeenFile
from diskchain.storage.auth import SecretReference
from diskchain.storage.location import BlockLocation, describe_location, local_path
from diskchain.storage.reference import format_reference
from diskchain.storage.relative import relative_reference
from diskchain.storage.terms import Format
from diskchain.system.deadline import DEFAULT_DEADLINE

#: Formats that a job writes data into, or makes.
WRITABLE = frozenset({Format.RAW, Format.QCOW2})
#: QEMU ``block/qcow2.c``: no backing file name may be longer.
LONGEST_REFERENCE = 1023


@dataclass(frozen=True, slots=True)
class Draft:
    """A chain as jobs see it. ``layers`` and ``chain`` are in the same order, top first."""

    target: str
    disk: str | None
    chain: BackingChain
    layers: tuple[PlannedLayer, ...]
    files: tuple[SeenFile, ...]
    refused: tuple[Finding, ...] = ()


def draft(
    target: str,
    disk: str | None,
    chain: BackingChain,
    names: Sequence[tuple[str, ...]],
    seconds: float = DEFAULT_DEADLINE,
) -> Draft:
    """The chain of one disk of ``target``, and why no job can work on it, if so. ``names``: of each layer. Raises StorageError."""
    refused = tuple(found for found in chain.findings if found.severity is Severity.ERROR)
    if not chain.complete and not refused:
        refused = (finding("job-chain", f"the chain of {target} is not known to its end", file=target),)
    if refused:
        return Draft(target, disk, chain, (), (), refused)
    layers = tuple(map(_planned_layer, chain, names))
    paths = dict.fromkeys(path for layer in layers for path in (layer.path, layer.data_file) if path is not None)
    files = tuple(head.seen for head in look_all([*paths], seconds))
    return Draft(target, disk, chain, layers, files, (*_unrecorded(chain), *_unsupported(layers, chain)))


def _unsupported(layers: Iterable[PlannedLayer], chain: BackingChain) -> Iterator[Finding]:
    for layer, known in zip(layers, chain, strict=True):
        if layer.encrypted is not None and (
            layer.encrypted != "luks" or layer.format not in (Format.QCOW2, Format.LUKS)
        ):
            message = (
                f"{layer.name} is encrypted in a way that jobs do not open: they know qcow2 with LUKS, and LUKS below"
            )
            yield finding("job-secret", message, file=layer.name)
        if known.source.slice is not None or known.extents:
            message = f"{layer.name} is a part of a file, or several files: jobs do not work on those"
            yield finding("job-format", message, file=layer.name)


def in_plain(given: Draft, sources: Iterable[int], into: PlannedLayer | None) -> list[Finding]:
    """What is encrypted in layers at ``sources`` and would be in plain in ``into``; None: in a new file."""
    secret = [given.layers[place] for place in sources if given.layers[place].encrypted is not None]
    if not secret or (into is not None and into.encrypted is not None):
        return []
    where = "a new file" if into is None else into.name
    message = f"{secret[0].name} is encrypted, and what it holds would be in plain in {where}"
    return [finding("job-secret", message, file=secret[0].name)]


def _unrecorded(chain: BackingChain) -> Iterator[Finding]:
    """Layers whose format nobody recorded: what is below them would be guessed again with other content."""
    for layer in chain:
        backing = None if layer.header is None else layer.header.backing
        if backing is not None and backing.format is None and layer.below is not None:
            name = describe_location(layer.source.location)
            fix = next((found.fix for found in layer.findings if found.id == "format-not-recorded"), None)
            message = f"{name} does not record the format of its backing file: a job would have to guess it"
            yield finding("job-chain", message, file=name, fix=fix)


def _planned_layer(layer: Layer, names: tuple[str, ...]) -> PlannedLayer:
    source, header = layer.source, layer.header
    path = local_path(source.location)
    backing = None if header is None else header.backing
    data_file = None if layer.data_file is None else local_path(layer.data_file.source.location)
    encryption, references = _encryption(layer)
    capacity = 0 if header is None else header.capacity
    if source.format is Format.RAW and layer.facts is not None:
        capacity = layer.facts.size
    return PlannedLayer(
        describe_location(source.location),
        source.format or Format.RAW,
        capacity,
        path=path,
        block=isinstance(source.location, BlockLocation),
        network=format_reference(source) if path is None else None,
        data_file=data_file,
        encrypted=encryption,
        reference=None if backing is None else backing.text,
        reference_format=None if backing is None else backing.format,
        names=names,
        secret_uuid=None if not references or references[0].uuid is None else str(references[0].uuid),
        secret_usage=None if not references else references[0].usage,
    )


def _encryption(layer: Layer) -> tuple[str | None, tuple[SecretReference, ...]]:
    """How a layer is encrypted, and which secrets a document names for it."""
    source, header = layer.source, layer.header
    references = () if source.encryption is None else source.encryption.secrets
    if source.format is Format.LUKS:
        return "luks", references
    found = None if header is None or source.format is Format.RAW else header.encryption
    if found is not None:
        return ("luks" if found.kind == "luks1" else "qcow"), references
    return (None if source.encryption is None else str(source.encryption.format)), references


def position(given: Draft, found: int, what: str) -> int:
    """``found``, if it is a place in the chain. Raises UsageError."""
    if not 0 <= found < len(given.layers):
        raise UsageError(f"the {what} is not in the chain of {given.target}")
    return found


def with_changed(layers: Iterable[PlannedLayer], places: Iterable[int]) -> tuple[PlannedLayer, ...]:
    """The layers, of which those at ``places`` are written to."""
    changed = frozenset(places)
    return tuple(replace(layer, changed=True) if place in changed else layer for place, layer in enumerate(layers))


def repoint(given: Draft, overlay: int, base: int | None) -> tuple[Repoint | None, list[Finding]]:
    """The pointer of ``overlay`` to what is at ``base`` (None: nothing), as short or as long as the names there are now."""
    layer = given.layers[overlay]
    if layer.format is not Format.QCOW2 or layer.path is None:
        message = f"{layer.name} is {layer.format}: a job moves pointers in qcow2 images on this host alone"
        return None, [finding("job-format", message, file=layer.name)]
    if base is None:
        return Repoint(overlay, layer.path, layer.reference, layer.reference_format, None, None), []
    name = _reference(given, overlay, base)
    if len(os.fsencode(name)) > LONGEST_REFERENCE:
        message = f"{layer.name} cannot hold a name of {len(os.fsencode(name))} bytes: QEMU takes {LONGEST_REFERENCE}"
        return None, [finding("job-reference", message, file=layer.name)]
    form = str(given.layers[base].format)
    return Repoint(overlay, layer.path, layer.reference, layer.reference_format, name, form), []


def _reference(given: Draft, overlay: int, base: int) -> str:
    """What the header of ``overlay`` shall hold: relative where all names on the way are, and where that leads to the file."""
    target, path = given.layers[base], given.layers[overlay].path
    relative = relative_reference(given.chain[overlay + 1].source, given.chain[base].source) if overlay < base else None
    if target.path is None:
        return target.network or ""
    if relative is not None and path is not None:
        there = os.path.join(os.path.dirname(path), relative)
        if os.path.exists(there) and os.path.samefile(there, target.path):
            return relative
    return target.path


def allocated(given: Draft, places: Iterable[int]) -> int:
    """An upper bound, in bytes, of the data that layers at ``places`` hold: no more than their files take, nor than their capacity."""
    total, sizes = 0, {seen.path: seen.size for seen in given.files}
    for place in places:
        layer = given.layers[place]
        size = sum(sizes.get(path, 0) for path in (layer.path, layer.data_file) if path is not None)
        total += min(size, layer.capacity) if size else layer.capacity
    return total
