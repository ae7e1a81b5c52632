"""What ``-d`` picks from discovered chains: a disk, or a layer and what is below it."""

import os

from diskchain.discover import BackingChain, Layer
from diskchain.errors import StorageTimeout, UsageError
from diskchain.readers.patience import PATIENCE, within
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
    found = _by_path(chains, wanted)
    if found is not None:
        return [(wanted, BackingChain(found))]
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


def _by_path(chains: list[tuple[str, BackingChain]], wanted: str) -> Layer | None:
    """The first layer with this name, else the first that is the file ``wanted`` leads to."""
    layers = [layer for _, chain in chains for layer in chain.layers if local_path(layer.source.location) is not None]
    for layer in layers:
        if local_path(layer.source.location) == wanted:
            return layer
    try:
        found = within(PATIENCE, wanted, lambda: os.stat(wanted))
    except (OSError, ValueError, StorageTimeout):
        return None
    names = ((found.st_dev, found.st_ino), (-1, found.st_rdev))
    for layer in layers:
        if layer.facts is not None and layer.facts.identity in names:
            return layer
    return None
