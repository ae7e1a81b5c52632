"""What ``-d`` picks from discovered chains: a disk, or a layer and what is below it."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from diskchain.actions.blockdev import NodeTarget
from diskchain.actions.numbering import NumberedChain, _resolved
from diskchain.errors import StorageTimeout, UsageError
from diskchain.storage.location import local_path
from diskchain.storage.source import Source, layers
from diskchain.system.deadline import DEFAULT_DEADLINE
from diskchain.system.paths import real_path

if TYPE_CHECKING:
    from diskchain.discover import BackingChain


from diskchain.discover import BackingChain, Layer
from diskchain.system.deadline import within


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
        found = within(DEFAULT_DEADLINE, wanted, lambda: os.stat(wanted))
    except (OSError, ValueError, StorageTimeout):
        return None
    names = ((found.st_dev, found.st_ino), (-1, found.st_rdev))
    for layer in layers:
        if layer.facts is not None and layer.facts.identity in names:
            return layer
    return None


def may_hold(disks: Sequence[NodeTarget], wanted: str | None) -> list[NodeTarget]:
    """The disks that ``-d`` can mean: that of the name, that of a layer like ``vda[2]``, or for a path all of them.

    Raises UsageError when there is none.
    """
    if wanted is None:
        return [*disks]
    found = [disk for disk in disks if disk.name == wanted]
    found = found or [disk for disk in disks if disk.name == wanted.partition("[")[0]]
    found = found or ([*disks] if "/" in wanted else [])
    if not found:
        known = ", ".join(disk.name for disk in disks) or "none with a medium"
        raise UsageError(f"no disk or layer is called {wanted}; the disks are: {known}")
    return found


def from_layer(chains: Sequence[NumberedChain], wanted: str | None) -> list[NumberedChain]:
    """The chains that ``-d`` means, from the layer down that it names. Raises UsageError when there is none."""
    if wanted is None or any(chain.disk == wanted for chain in chains):
        return [chain for chain in chains if wanted in (None, chain.disk)]
    resolved = _resolved(wanted)
    for chain in chains:
        for position, (layer, called) in enumerate(zip(layers(chain.source), chain.names, strict=True)):
            if wanted in called or resolved in called:
                return [chain._replace(source=layer, names=chain.names[position:])]
    known = ", ".join(called[0] for chain in chains for called in chain.names) or "none"
    raise UsageError(f"no disk or layer is called {wanted}; the layers are: {known}")


def left_out(disks: Sequence[NodeTarget], chosen: Sequence[NumberedChain], wanted: str | None) -> list[NodeTarget]:
    """The disks that ``-d`` leaves out, or of which it leaves out the upper layers."""
    whole = {chain.disk for chain in chosen if wanted in (None, chain.disk)}
    return [disk for disk in disks if disk.name not in whole]


def below(whole: "BackingChain", chain: NumberedChain) -> "BackingChain":
    """``whole`` from the layer down that ``chain`` begins with."""
    every = list(whole.layers)
    return BackingChain(every[len(every) - len(chain.names)])


def layer_position(chain: Source, text: str, seconds: float = DEFAULT_DEADLINE) -> int:
    """Where the layer called ``text`` is, 0 for the top. Raises UsageError when there is none.

    Raises StorageTimeout when a name that must be resolved to tell gives no answer within so many ``seconds``.
    """
    stack = list(layers(chain))
    if text.isascii() and text.isdigit():
        return _checked(int(text), stack, text)
    _, bracket, number = text.rpartition("[")
    digits = number.removesuffix("]")
    if bracket and number.endswith("]") and digits.isascii() and digits.isdigit():
        for position, layer in enumerate(stack):
            if layer.chain_index == int(digits):
                return position
        return _checked(int(digits), stack, text)
    paths = [local_path(layer.location) for layer in stack]
    if text in paths:
        return paths.index(text)
    wanted = real_path(text, seconds)
    for position, path in enumerate(paths):
        if path is not None and real_path(path, seconds) == wanted:
            return position
    raise UsageError(f"the chain has no layer {text}")


def _checked(position: int, stack: list[Source], text: str) -> int:
    if position >= len(stack):
        raise UsageError(f"the chain has no layer {text}: it has {len(stack)}, counted from 0")
    return position
