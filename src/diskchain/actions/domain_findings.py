"""What a chain is worth to the domain that has it for a disk: keys that its document does not name, layers it starts without.

Neither can be said of a lone image. Words are in ``discover.observations``.
"""

from typing import TYPE_CHECKING, Final

from diskchain.checks import messages as observations
from diskchain.checks.annotate import annotated, kept, reworded
from diskchain.discover.chain import BackingChain, Layer
from diskchain.errors import printable
from diskchain.findings import Finding, Severity, finding
from diskchain.storage.location import describe_location, local_path
from diskchain.storage.source import Source, Terminator, layers
from diskchain.storage.terms import Format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diskchain.actions.target import Target

#: As ``image.header`` calls the one kind of LUKS that QEMU reads; inside a qcow2, too.
_LUKS: Final = "luks1"
#: Of a domain's disk it says nothing: libvirt's snapshots and copies always name backing files by their absolute paths.
_ABSOLUTE: Final = "absolute-reference"
_STARTS: Final = {
    "optional": "libvirt starts the domain all the same, and the guest has {lost} (startupPolicy='optional')",
    "requisite": "libvirt starts no domain with it, as startupPolicy='requisite' lets only one that migrates or is restored go on "
    "with an empty drive",
}


def as_attached(target: "Target", chain: BackingChain) -> BackingChain:
    """``chain`` of the disk ``target``, with what is to be said of it because a domain has it."""
    asked = [*layers(target.source)]
    if any(found.id == _ABSOLUTE for found in chain.findings):
        chain = kept(chain, lambda found: found.id != _ABSOLUTE)
    if any(found.id == "format-not-recorded" for found in chain.findings):
        chain = reworded(chain, _undeclared)
    if not target.source.readonly:
        from diskchain.checks.written import as_written

        written = as_written(chain.top, target.cache)
        chain = chain if written == chain.top.findings else BackingChain(chain.top._replace(findings=written))
    if target.startup_policy in _STARTS:
        chain = reworded(chain, lambda position, layer, found: _policy(target, asked, position, layer, found))
    if target.kept is not None:
        chain = annotated(chain, [(0, transient_overlay(target.source, target.kept))])
    return annotated(chain, _locked(target, asked, chain))


def transient_overlay(top: Source, kept: Source) -> Finding:
    """That a running transient disk is on an overlay of libvirt's own."""
    name, image = describe_location(top.location), describe_location(kept.location)
    message = f"{printable(name)} is libvirt's overlay for <transient/>: it goes when the domain stops, and {printable(image)} is as it was"
    return finding("transient-overlay", message, file=name, referrer=image)


def _undeclared(_position: int, layer: Layer, found: Finding) -> Finding:
    """``found``, if it says that an overlay has no room for its backing file's format: the document has. A VMDK's can only be a VMDK."""
    if found.id != "format-not-recorded" or found.severity is not Severity.INFO or layer.source.format is Format.VMDK:
        return found
    return found._replace(severity=Severity.WARNING)


def _locked(target: "Target", asked: list[Source], chain: BackingChain) -> "Iterator[tuple[int, Finding]]":
    """Layers encrypted with LUKS of which the document does not say so. What it says wrong, validation tells."""
    for position, layer in enumerate(chain.layers):
        encryption = layer.header.encryption if layer.header is not None else None
        if encryption is None or encryption.kind != _LUKS:
            continue
        declared = asked[position] if position < len(asked) else None
        if declared is not None and declared.encryption is not None:
            continue
        # libvirt takes a raw image that is declared for what a guest sees; and a guest may encrypt its own disk.
        is_taken_raw = declared is not None and layer.source.format is Format.RAW
        if position or not is_taken_raw:
            called = _called(target, asked, position, layer)
            name = describe_location(layer.source.location)
            yield position, observations.key_undeclared(name, called, detected=declared is None, starts=is_taken_raw)


def _called(target: "Target", asked: list[Source], position: int, layer: Layer) -> str | None:
    """What ``set-secret`` calls the layer; its path in a live document, which numbers the layers anew."""
    if any(source.chain_index is not None for source in asked):
        return local_path(layer.source.location)
    return f"{target.name}[{position}]"


def _policy(target: "Target", asked: list[Source], position: int, layer: Layer, found: Finding) -> Finding:
    """``found``, if it says that the layer is missing, with what ``startupPolicy`` makes of that.

    Where a document spells a chain out to its end, libvirt looks whether the top is there, and no further.
    """
    name = describe_location(layer.source.location)
    spelt_out = isinstance(asked[-1].backing, Terminator)
    if found.id != "missing" or found.file != name or (position and spelt_out) or target.startup_policy is None:
        return found
    lost = f"no medium in {target.name}" if target.drive else f"no disk {target.name}"
    severity = Severity.WARNING if target.startup_policy == "optional" else found.severity
    words = _STARTS[target.startup_policy].format(lost=lost)
    return found._replace(severity=severity, message=f"{found.message}: {words}")
