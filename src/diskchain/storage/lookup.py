"""Find the layer that a person or a program means: ``vda[3]``, a path, a relative name, or another name of the same file.

Knows libvirt's rules and order. Must not touch storage: who wants files told apart by identity brings the function that compares
two paths. Source: libvirt 11.3.0 ``virStorageSourceChainLookup``, ``virStorageFileParseChainIndex``.
"""

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from diskchain.errors import LayerNotFound
from diskchain.storage.location import NetworkLocation, describe_location, local_path
from diskchain.storage.reference.value import is_file_name
from diskchain.storage.source import Source

#: ``TARGET[INDEX]``; an index is an unsigned int.
_INDEXED: Final = re.compile(r"([^\[]*)\[([0-9]{1,10})\]")
_UINT_MAX: Final = (1 << 32) - 1

SameFile = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class Found:
    """A layer, and the one above it (None for the top)."""

    layer: Source
    overlay: Source | None


def parse_index(name: str) -> tuple[str, int] | None:
    """``vda[3]`` as its two parts; None for what is a plain name, ``vda[0]`` too: libvirt has no layer 0."""
    found = _INDEXED.fullmatch(name)
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
