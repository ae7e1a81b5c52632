"""The commonest chain by far, read quickly: files or block devices, a format each, and nothing else.

Chains are most of a large document, and going down level by level costs more than all the rest. lxml lists a whole
subtree in one call; when that list has the one shape a plain chain has, its layers are read off it. Anything else at
all is left to :mod:`~diskchain.libvirtxml.parse.source`.
"""

from collections.abc import Callable
from functools import lru_cache

from diskchain.libvirtxml.markup.document import Element
from diskchain.libvirtxml.view import View
from diskchain.libvirtxml.vocabulary import FORMATS
from diskchain.storage.location import BlockLocation, FileLocation, Location
from diskchain.storage.source import TERMINATOR, UNKNOWN, Backing, Source, like
from diskchain.storage.terms import Format

#: The deepest chain libvirt accepts: libxml2 stops at 256 levels, and each layer is one.
MAX_BACKING_STORES = 200

# The names of the elements of a chain, in document order, and how many children each <backingStore> has: <format>,
# <source>, and but for the last, the next.
_LAYER = ("backingStore", "format", "source")
_NAMES = [*_LAYER * MAX_BACKING_STORES, "backingStore"]
_FULL = 3

# By the type of a layer: the attribute with its path, and the class of its location.
_LOCATIONS: dict[str, tuple[str, type[FileLocation | BlockLocation]]] = {
    "file": ("file", FileLocation),
    "block": ("dev", BlockLocation),
}

# Plain layers differ in location, format, backing and index alone.
_PLAIN = Source(FileLocation(None), readonly=True)
_plain_layer = like(_PLAIN)

_MOST_DIGITS = 9  # of an index; more could overflow libvirt's


def read_plain_chain(element: Element, view: View) -> Backing | None:
    """The chain in a ``<backingStore>``, or None when it is not a plain one."""
    elements = list(element.iter())
    number = len(elements)
    if number > len(_NAMES) or [one.tag for one in elements] != _NAMES[:number]:
        return None
    stores, formats, sources = elements[::3], elements[1::3], elements[2::3]
    end: Backing = UNKNOWN
    if len(stores) > len(formats):  # the last has no layer of its own
        if stores.pop().items():
            return None
        end = TERMINATOR
    if len(formats) > len(sources):
        return None
    try:
        return _read_layers(stores, formats, sources, end, running=view.running)
    except (KeyError, ValueError):  # a name, a word or a number of attributes that is not usual
        return None


def _read_layers(
    stores: list[Element], formats: list[Element], sources: list[Element], backing: Backing, *, running: bool
) -> Backing | None:
    known_locations, known_formats = _LOCATIONS, FORMATS
    children = _FULL if backing is TERMINATOR else _FULL - 1
    for store, format, source in zip(reversed(stores), reversed(formats), reversed(sources), strict=True):
        said = store.items()
        layer = _indexed_layer(*said.pop(), running=running) if len(said) > 1 else _plain_layer
        ((type_name, type),) = said
        ((format_name, word),) = format.items()
        ((path_name, path),) = source.items()
        known_name, location = known_locations[type]
        if path_name != known_name or type_name != "type" or format_name != "type" or len(store) != children:
            return None
        children = _FULL
        backing = layer(location(path or None), known_formats[word], backing)
    return backing


@lru_cache(maxsize=1024)  # libvirt counts its layers from 1, in every domain anew
def _indexed_layer(name: str, digits: str, *, running: bool) -> Callable[[Location, Format | None, Backing], Source]:
    """What makes plain layers with that second attribute; ValueError when it is no index."""
    if name != "index" or not digits.isascii() or not digits.isdigit() or len(digits) > _MOST_DIGITS:
        raise ValueError(name)
    return like(_PLAIN._replace(chain_index=int(digits) or None if running else None))
