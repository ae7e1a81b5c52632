"""Put what an examination found next to the layers it is about, and say anew what is there. Pure."""

from collections.abc import Callable, Iterable

from diskchain.discover.chain import BackingChain, Layer
from diskchain.findings import Finding


def annotated(chain: BackingChain, notes: Iterable[tuple[int, Finding]]) -> BackingChain:
    """``chain`` with further findings, each at the position (from 0 at the top) of its layer."""
    by_position: dict[int, tuple[Finding, ...]] = {}
    for position, found in notes:
        by_position[position] = (*by_position.get(position, ()), found)
    if not by_position:
        return chain
    below: Layer | None = None
    for position, layer in reversed(list(enumerate(chain.layers))):
        changed = layer if layer.below is below else layer._replace(below=below)
        if position in by_position:
            changed = changed._replace(findings=changed.findings + by_position[position])
        below = changed
    return chain if below is None else BackingChain(below)


def reworded(chain: BackingChain, word: Callable[[int, Layer, Finding], Finding]) -> BackingChain:
    """``chain`` with each finding of a layer as ``word`` has it, which is given the layer and its position, too."""
    below: Layer | None = None
    for position, layer in reversed(list(enumerate(chain.layers))):
        findings = tuple(word(position, layer, found) for found in layer.findings)
        below = layer._replace(below=below, findings=findings)
    return chain if below is None else BackingChain(below)


def rewritten(chain: BackingChain, word: Callable[[Finding], Finding]) -> BackingChain:
    """``chain`` with each finding as ``word`` has it, those of data files and extents among them."""
    return _with_findings(chain, lambda findings: map(word, findings))


def kept(chain: BackingChain, keep: Callable[[Finding], bool]) -> BackingChain:
    """``chain`` with those of its findings that ``keep`` is true of, in data files and extents, too."""
    return _with_findings(chain, lambda findings: filter(keep, findings))


def _with_findings(
    chain: BackingChain, findings_of: Callable[[tuple[Finding, ...]], Iterable[Finding]]
) -> BackingChain:
    def of(layer: Layer) -> Layer:
        data = layer.data_file
        return layer._replace(
            findings=tuple(findings_of(layer.findings)),
            data_file=of(data) if data is not None else None,
            extents=tuple(map(of, layer.extents)),
        )

    below: Layer | None = None
    for layer in reversed(list(chain.layers)):
        below = of(layer)._replace(below=below)
    return chain if below is None else BackingChain(below)
