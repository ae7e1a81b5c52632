"""A chain as its document describes it, where nothing can be looked at: the files are on another host."""

from diskchain.discover import messages
from diskchain.discover.chain import BackingChain, Layer, Origin
from diskchain.storage.location import describe_location
from diskchain.storage.source import Source, layers


def declared_chain(top: Source) -> BackingChain:
    """The declared layers of ``top`` alone, without headers: nothing was looked at, and nobody asked to."""
    *above, lowest = layers(top)
    chain = _layer(lowest, None)
    for source in reversed(above):
        chain = _layer(source, chain)
    return BackingChain(chain)


def chain_elsewhere(top: Source, host: str) -> BackingChain:
    """The declared layers of ``top`` on ``host``; one finding says that nothing was looked at."""
    chain = declared_chain(top).top
    return BackingChain(chain._replace(findings=(messages.elsewhere(describe_location(top.location), host),)))


def _layer(source: Source, below: Layer | None) -> Layer:
    return Layer(source, below, Origin.DECLARED if source.format else Origin.ASSUMED)
