"""The files a VMDK's descriptor keeps the guest's data in: follow each name, look at each file, and say what is wrong with it.

Source: QEMU 7.2 ``vmdk_parse_extents``. It opens them as it opens the image, relative to the image's directory. A sparse extent may
be a descriptor itself and name further files, also relative to the image; QEMU goes round in circles where such a one names itself.
Touches storage through ``look`` alone, and asks the policy before each name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from diskchain.discover import messages as notes
from diskchain.discover.chain import Layer, Origin
from diskchain.discover.partial_layer import PartialLayer
from diskchain.image.header import Extent
from diskchain.storage.slice import Slice
from diskchain.storage.source import DETECTED_TERMINATOR, Source, with_backing
from diskchain.storage.terms import Format, StorageType, Unknown

#: Kinds whose files have a header of their own. In all others there are the guest's bytes, as they are.
_SPARSE: Final = frozenset({"SPARSE", "VMFSSPARSE", "SESPARSE"})
#: Kinds of which the descriptor says where in their file they begin, and how long they are.
_FLAT: Final = frozenset({"FLAT", "VMFS"})
_NO_ACCESS: Final = "NOACCESS"
#: Ours, for one image: VMware's largest disk (62 TiB) has 31,744 extents of 2 GiB.
MOST: Final = 32768

#: What a name in a header resolves to; it says itself why it cannot be followed. The format is what the name's bytes are.
Refer = Callable[[str, Format], Source | Unknown]
#: Looks at one file for the one that names it; None: it was refused, and that is said.
LookAt = Callable[[Source, PartialLayer], PartialLayer | None]


@dataclass(frozen=True, slots=True)
class _Named:
    """One extent still to be looked at: who names it, and the descriptors on the way to it."""

    extent: Extent
    by: PartialLayer
    way: tuple[tuple[int, int], ...]


def follow_extents(image: PartialLayer, refer: Refer, look_at: LookAt) -> tuple[Layer, ...]:
    """The extents of ``image``, in the order they are named, each followed by those it names itself.

    Those the policy refuses, or whose name makes no sense, are findings of ``image``.
    """
    found: list[Layer] = []
    tried = 0
    identity = _identity(image)
    entered = {identity}
    waiting = _named(image, () if identity is None else (identity,))
    while waiting:
        if tried == MOST:
            image.note(notes.too_many_extents(image.name, MOST))
            break
        tried += 1
        named = waiting.pop()
        extent = named.extent
        sparse = extent.kind in _SPARSE
        source = refer(extent.name, Format.VMDK if sparse else Format.RAW)
        if not isinstance(source, Source):
            continue
        if extent.kind in _FLAT:
            source = source._replace(slice=Slice(extent.offset or 0, extent.size))
        seen = look_at(source._replace(readonly=image.source.readonly), named.by)
        if seen is None:
            continue
        seen.findings = tuple(notes.of_extent(each, extent.name) for each in seen.findings)
        _judge(seen, named)
        source = with_backing(seen.source, DETECTED_TERMINATOR)
        found.append(Layer(source, None, Origin.RECORDED, seen.header, seen.facts, seen.findings))
        identity = _identity(seen)
        if identity is not None and identity not in entered and len(waiting) < MOST:
            entered.add(identity)
            waiting += _named(seen, (*named.way, identity))
    return tuple(found)


def _identity(seen: PartialLayer) -> tuple[int, int] | None:
    return seen.facts.identity if seen.facts is not None else None


def _named(seen: PartialLayer, way: tuple[tuple[int, int], ...]) -> list[_Named]:
    """The extents in the header of ``seen`` that are files somebody opens, last first."""
    extents = seen.header.extents if seen.header is not None else ()
    return [_Named(extent, seen, way) for extent in reversed(extents) if extent.name and extent.access != _NO_ACCESS]


def _judge(seen: PartialLayer, named: _Named) -> None:
    """Say where the file ``seen`` is not what its descriptor says."""
    extent, facts, header = named.extent, seen.facts, seen.header
    if facts is None:
        return
    if facts.identity in named.way:
        seen.note(notes.extent_loop(seen.name, extent.name, named.by.name))
    elif facts.type is StorageType.DIR:
        seen.note(notes.extent_directory(seen.name, extent.name, named.by.name))
    elif extent.kind in _FLAT and facts.size < (end := (extent.offset or 0) + extent.size):
        seen.note(notes.short_extent(seen.name, extent.name, end - facts.size))
    elif extent.kind in _SPARSE and header is not None and header.capacity != extent.size:
        seen.note(notes.other_extent_size(seen.name, extent.name, header.capacity, extent.size))
