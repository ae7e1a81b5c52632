"""What ``-d`` picks from discovered chains: a disk, or a layer and what is below it."""

import os

from diskchain.discover import BackingChain, Layer
from diskchain.errors import UsageError
from diskchain.storage.location import local_path


def select(chains: list[tuple[str, BackingChain]], wanted: str | None) -> list[tuple[str, BackingChain]]:
    """The chains (by the name of their disk) that ``wanted`` means; all of them for None.

    ``vda`` is a disk. ``vda[2]`` is the layer with libvirt's index 2 in a live domain, else the second one below the top. A
    path is a layer, by its name as shown or by the file it leads to. Raises UsageError when there is none.
    """
    if wanted is None:
        return chains
    name, bracket, number = wanted.partition("[")
    for disk, chain in chains:
        if disk == wanted:
            return [(disk, chain)]
        if disk == name and bracket:
            return [(wanted, BackingChain(_numbered(chain, wanted, number)))]
    for _, chain in chains:
        for layer in chain.layers:
            if _leads_to(layer, wanted):
                return [(wanted, BackingChain(layer))]
    known = ", ".join(disk for disk, _ in chains) or "none"
    raise UsageError(f"no disk or layer is called {wanted}; the disks are: {known}")


def _numbered(chain: BackingChain, wanted: str, number: str) -> Layer:
    digits = number.removesuffix("]")
    if not number.endswith("]") or not digits.isascii() or not digits.isdigit():
        raise UsageError(f"{wanted}: a layer is written like vda[2]")
    layers = list(chain.layers)
    live = any(layer.source.chain_index is not None for layer in layers)
    for position, layer in enumerate(layers):
        if int(digits) == (layer.source.chain_index if live else position):
            return layer
    raise UsageError(f"{wanted}: the chain has no such layer")


def _leads_to(layer: Layer, wanted: str) -> bool:
    path = local_path(layer.source.location)
    if path is None or path == wanted:
        return path is not None
    facts = layer.facts
    if facts is None or facts.identity is None:
        return False
    try:
        found = os.stat(wanted)
    except (OSError, ValueError):
        return False
    return facts.identity in ((found.st_dev, found.st_ino), (-1, found.st_rdev))
