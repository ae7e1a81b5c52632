"""What is to be said of a format that is declared or recorded and not what a file begins with, and what would put it right.

Both explanations are given, a slip and a guest that wrote it, with the evidence (``format_claims``). Nothing is followed because of it:
a command stands here only where the evidence speaks for one, and ``cures`` tries it first.
"""

from collections.abc import Iterator

from diskchain.checks import commands
from diskchain.checks.commands import Cure, TellDocument
from diskchain.checks.cure_messages import format_judged
from diskchain.checks.format_claims import Claim, Verdict, claim_of
from diskchain.discover.chain import BackingChain, Layer
from diskchain.findings import Finding
from diskchain.storage.location import local_path
from diskchain.storage.reference import redacted
from diskchain.storage.source import Source
from diskchain.storage.terms import Format

_IDS = frozenset(("format-mismatch", "format-assumed-raw"))


def judged_formats(
    chain: BackingChain, asked: Source, tell: TellDocument | None, *, seconds: float
) -> Iterator[tuple[Finding, Finding, Cure | None]]:
    """Every finding of ``chain`` about a format, what becomes of it, and the cure to be tried. ``asked``: what is declared."""
    layers = tuple(chain.layers)
    for number, holder in enumerate(layers):
        for found in holder.findings:
            if found.id not in _IDS:
                continue
            # What document and record say differently of a backing file is noted with its overlay.
            position = next((at for at in (number, number + 1) if _is_about(found, layers[at : at + 1])), None)
            if position is None:
                continue
            layer, above = layers[position], layers[position - 1] if position else None
            capacity = above.header.capacity if above is not None and above.header is not None else None
            claim = claim_of(found.file or "", capacity, seconds=seconds)
            if claim is not None:
                judged = format_judged(
                    found, claim, layer.source.format, top=above is None, declared=not layer.source.detected
                )
                yield found, judged, _cure(claim, layer, above, position, asked, tell)


def _is_about(found: Finding, layers: tuple[Layer, ...]) -> bool:
    return any(found.file == local_path(each.source.location) and each.source.slice is None for each in layers)


def _cure(  # what there is to know of a layer
    claim: Claim, layer: Layer, above: Layer | None, position: int, asked: Source, tell: TellDocument | None
) -> Cure | None:
    """What makes everybody read the file as what the evidence speaks for. Of a top image none: its guest may write such evidence."""
    if claim.verdict is Verdict.UNCLEAR or above is None:
        return None
    right = claim.format if claim.verdict is Verdict.CONTAINER else Format.RAW
    if not layer.source.detected and layer.source.format is not right:
        return commands.declared_as(asked, position, right, tell)
    named = above.header.backing if above.header is not None else None
    if named is None or named.format == right or redacted(named.text) != named.text:
        return None
    return commands.rebase(above, named.text, right)
