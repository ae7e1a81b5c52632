"""From a Source to its whole chain, with what is wrong said next to each layer. Reads through ``readers``, follows libvirt's rules.

:class:`Discoverer` does the work; :class:`BackingChain` and :class:`Layer` are what comes out.
"""

from diskchain.discover.chain import BackingChain, Layer, Origin
from diskchain.discover.discoverer import Discoverer

__all__ = ["BackingChain", "Discoverer", "Layer", "Origin"]
