"""Cures for what a header says wrong of a file that is there: a format that is not recorded, a capacity that hides data. Pure but for a name.

Whether they make the chain better is not known here: ``cures`` tries each. A name that holds a password is in no command.
"""

from collections.abc import Iterator
from dataclasses import replace

from diskchain.checks import commands
from diskchain.checks.commands import Cure, TellDocument
from diskchain.checks.compare import undeclared
from diskchain.discover.chain import BackingChain, Layer
from diskchain.findings import Finding, Severity
from diskchain.storage.location import local_path
from diskchain.storage.reference import redacted
from diskchain.storage.source import Source


def header_cures(
    chain: BackingChain, asked: Source, tell: TellDocument | None
) -> Iterator[tuple[Finding, Cure | None]]:
    """Findings about headers, each with its cure, if there is one. ``asked``: what is declared; ``tell``: changes the document."""
    above: Layer | None = None
    for position, layer in enumerate(chain.layers):
        for found in layer.findings:
            if found.id == "format-not-recorded" and above is not None:
                yield found, _recorded(above, layer)
            elif found.id == "capacity-mismatch" and found.severity is not Severity.INFO and layer.below is not None:
                yield found, _enlarged(layer, layer.below)
            elif found.id == "layer-left-out":
                yield found, commands.undeclared_below(asked, position, tell)
            elif found.id == "backing-differs" and found.severity is not Severity.ERROR and layer.below is not None:
                yield found, _told(layer, layer.below)
        above = layer


def _stored(overlay: Layer) -> str | None:
    """The name an overlay has for its backing file, if it may stand in a command."""
    named = overlay.header.backing if overlay.header is not None else None
    return named.text if named is not None and redacted(named.text) == named.text else None


def _recorded(overlay: Layer, base: Layer) -> Cure | None:
    stored = _stored(overlay)
    return (
        None if stored is None or base.source.format is None else commands.rebase(overlay, stored, base.source.format)
    )


def _enlarged(overlay: Layer, base: Layer) -> Cure | None:
    if _stored(overlay) is None or base.header is None:
        return None
    return commands.enlarge(overlay, base.header.capacity)


def _told(overlay: Layer, base: Layer) -> Cure | None:
    """A header that names a file that is gone told of the one that the document names."""
    path, format, stored = local_path(base.source.location), base.source.format, _stored(overlay)
    if stored is None or path is None or format is None or base.header is None:
        return None
    name = commands.as_stored(local_path(overlay.source.location) or "", stored, path)
    cure = commands.rebase(overlay, name, format)
    return None if cure is None else replace(cure, top=undeclared(overlay.source))
