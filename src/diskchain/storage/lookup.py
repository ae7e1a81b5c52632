"""Which layer somebody means: ``vda``, ``vda[3]``, ``vda:1``, a path, a relative name, or another name of the same file.

Two rules. :func:`lookup_layer` is libvirt's own, for one chain of a domain. :func:`find_layers` is the one that every verb and the
library share: it looks through several disks, knows positions as well, and takes a base name where that is unique.

``vda[N]`` is the layer with libvirt's index N where the chain has indexes (a live document), else the layer at position N; ``vda:N``
is always the layer at position N, the top being 0. :func:`layer_names` gives the names to show: each can be pasted back.

Knows libvirt's order. Must not touch storage: who wants files told apart by identity brings the function that compares
two paths. Source: libvirt 11.3.0 ``virStorageSourceChainLookup``, ``virStorageFileParseChainIndex``.
"""

import posixpath
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

from diskchain.errors import LayerNotFound, printable
from diskchain.storage.location import NetworkLocation, describe_location, local_path
from diskchain.storage.reference.value import is_file_name
from diskchain.storage.source import Source, layers

#: ``TARGET[INDEX]``; an index is an unsigned int.
_INDEXED: Final = r"([^\[]*)\[([0-9]{1,10})\]"
_UINT_MAX: Final = (1 << 32) - 1

SameFile = Callable[[str, str], bool]


class Found(NamedTuple):
    """A layer, and the one above it (None for the top)."""

    layer: Source
    overlay: Source | None
    type: Literal["found"] = "found"


def parse_index(name: str) -> tuple[str, int] | None:
    """``vda[3]`` as its two parts; None for what is a plain name, ``vda[0]`` too: libvirt has no layer 0."""
    import re  # start-up needs the names of layers, and no pattern

    found = re.fullmatch(_INDEXED, name)
    if found is None or not 0 < int(found[2]) <= _UINT_MAX:
        return None
    return found[1], int(found[2])


def lookup_layer(
    top: Source,
    name: str | None,
    *,
    target: str | None = None,
    beneath: Source | None = None,
    same_file: SameFile | None = None,
) -> Found:
    """The layer of the chain under ``top`` that ``name`` means; None means the last one.

    ``target`` is the disk's (``vda``): an indexed name must carry it. ``beneath``: only layers below this one count.
    ``same_file(a, b)`` says whether two paths are one file; without it only text is compared. Data files are not searched.
    Raises LayerNotFound.
    """
    indexed = parse_index(name) if name is not None else None
    if indexed is not None and target is not None and indexed[0] != target:
        raise LayerNotFound(f"{name} is a layer of {indexed[0] or 'no disk'}, not of {target}", name=name)
    last: Found | None = None
    for found in _below(top, beneath, name):
        last = found
        if indexed is not None:
            if found.layer.chain_index == indexed[1]:
                return found
        elif name is not None and _answers(found, name, same_file):
            return found
    if name is None and last is not None:
        return last
    raise _not_found(name, indexed, beneath)


def _below(top: Source, beneath: Source | None, name: str | None) -> Iterator[Found]:
    """The layers in question, each with its overlay. Raises LayerNotFound when ``beneath`` is not in the chain."""
    overlay: Source | None = None
    layer: object = top
    reached = beneath is None
    while isinstance(layer, Source):
        if reached:
            yield Found(layer, overlay)
        reached = reached or layer is beneath or layer == beneath
        overlay, layer = layer, layer.backing
    if not reached:
        raise LayerNotFound("the layer to look beneath is not in this chain", name=name)


def _answers(found: Found, name: str, same_file: SameFile | None) -> bool:
    layer, overlay = found.layer, found.overlay
    if name in (layer.reference, layer.runtime.relative if layer.runtime else None):
        return True
    path = local_path(layer.location)
    if path is None:
        return isinstance(layer.location, NetworkLocation) and layer.location.name == name
    if path == name:
        return True
    if same_file is None or not is_file_name(name):
        return False
    above = local_path(overlay.location) if overlay is not None else None
    if not name.startswith("/") and above is not None:
        name = posixpath.join(posixpath.dirname(above), name)
    return same_file(name, path)


def _not_found(name: str | None, indexed: tuple[str, int] | None, beneath: Source | None) -> LayerNotFound:
    above = None if beneath is None else describe_location(beneath.location)
    what = "layer" if name is None else f"layer {name}" if indexed is None else f"layer {indexed[1]}"
    where = "in this chain" if above is None else f"beneath {above}"
    return LayerNotFound(f"there is no {what} {where}", name=name, beneath=above)


class LayerName:
    """The names of a layer that can be shown and pasted back. ``by_index``: by libvirt's index, None where it has none."""

    __slots__ = ("by_index", "position")

    def __init__(self, position: str, by_index: str | None = None) -> None:
        self.position = position
        self.by_index = by_index

    @property
    def shown(self) -> str:
        """The one to show where there is room for one."""
        return self.by_index or self.position


def layer_names(disk: str, top: Source) -> list[LayerName]:
    """What the layers of the chain under ``top`` are called, top first.

    ``vda[3]`` and ``vda:1`` where a live document gives indexes; ``vda[1]`` alone where it does not, for both mean the same there.
    """
    chain = list(layers(top))
    if not _is_indexed(chain):
        return [LayerName(f"{disk}[{position}]") for position in range(len(chain))]
    return [
        LayerName(f"{disk}:{position}", None if layer.chain_index is None else f"{disk}[{layer.chain_index}]")
        for position, layer in enumerate(chain)
    ]


def shown_name(disk: str, top: Source, position: int) -> str:
    """What :func:`layer_names` says is shown for the layer at ``position``, at less cost where a document gives no indexes."""
    for layer in layers(top):
        if layer.chain_index is not None:
            return layer_names(disk, top)[position].shown
    return LayerName(f"{disk}[{position}]").shown


class Place(NamedTuple):
    """Where a layer is among several disks: the number of the disk and the position in its chain, both from 0."""

    disk: int
    position: int
    type: Literal["place"] = "place"


def find_layers(disks: Sequence[tuple[str, Source]], name: str, same_file: SameFile | None = None) -> list[Place]:
    """The layers that ``name`` means in the chains of ``disks``: names and tops, in their order.

    One place, or several where several disks have the name of a disk that ``name`` begins with. ``same_file(a, b)`` says whether
    two paths are one file; without it only text is compared. Raises LayerNotFound when there is none; when a path, a stored
    reference or a base name fits several, too, and then the message lists them.
    """
    of_disk = [Place(number, 0) for number, (disk, _) in enumerate(disks) if disk == name]
    if of_disk:
        return of_disk
    import re

    numbered = re.fullmatch(_NUMBERED, name, re.DOTALL)
    if numbered is not None and any(disk == numbered[1] for disk, _ in disks):
        return _numbered(disks, numbered[1], numbered[2] or ":", int(numbered[3] or numbered[5]))
    tests = [_is_called] if same_file is None else [_is_called, _leads_to(same_file)]
    if "/" not in name:
        tests.append(_has_base_name)
    for fits in tests:
        found = [
            Place(number, position)
            for number, (_, top) in enumerate(disks)
            for position, found in enumerate(_below(top, None, name))
            if fits(found, name)
        ]
        if len(found) == 1:
            return found
        if found:
            listed = ", ".join(_shown(disks, found))
            raise LayerNotFound(
                f"{printable(name)} is the name of several layers: {listed}; name one of these", name=name
            )
    known = ", ".join(printable(disk) for disk, _ in disks) or "none"
    raise LayerNotFound(f"no disk or layer is called {printable(name)}; the disks are: {known}", name=name)


#: ``DISK[N]`` and ``DISK:N``.
_NUMBERED: Final = r"(.*)(?:(\[)([0-9]{1,10})\]|(:)([0-9]{1,10}))"


def _numbered(disks: Sequence[tuple[str, Source]], disk: str, mark: str, number: int) -> list[Place]:
    found = []
    for at, (name, top) in enumerate(disks):
        if name == disk:
            chain = list(layers(top))
            if mark == "[" and _is_indexed(chain):
                found += [Place(at, position) for position, layer in enumerate(chain) if layer.chain_index == number]
            elif number < len(chain):
                found.append(Place(at, number))
    if not found:
        of_disk = [(name, top) for name, top in disks if name == disk]
        known = ", ".join(
            printable(each.shown if mark == "[" else each.position)
            for name, top in of_disk
            for each in layer_names(name, top)
        )
        wanted = f"{disk}[{number}]" if mark == "[" else f"{disk}:{number}"
        raise LayerNotFound(f"there is no layer {printable(wanted)}; the layers are: {known}", name=wanted)
    return found


def _is_indexed(chain: Sequence[Source]) -> bool:
    return any(layer.chain_index is not None for layer in chain)


def _is_called(found: Found, name: str) -> bool:
    return _answers(found, name, None)


def _leads_to(same_file: SameFile) -> Callable[[Found, str], bool]:
    def fits(found: Found, name: str) -> bool:
        path = local_path(found.layer.location)
        return path is not None and same_file(name, path)

    return fits


def _has_base_name(found: Found, name: str) -> bool:
    location = found.layer.location
    path = location.name if isinstance(location, NetworkLocation) else local_path(location)
    return path is not None and posixpath.basename(path) == name


def _shown(disks: Sequence[tuple[str, Source]], places: Sequence[Place]) -> Iterator[str]:
    for place in places:
        disk, top = disks[place.disk]
        yield printable(layer_names(disk, top)[place.position].shown)
