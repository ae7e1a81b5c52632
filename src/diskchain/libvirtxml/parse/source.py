"""``<source>`` and ``<backingStore>``: the layers of a chain, top first in the document, built from the bottom up.

Source: libvirt 11.3.0 (``virDomainStorageSourceParse``, ``virDomainDiskBackingStoreParse``,
``virDomainDiskDataStoreParse``).
"""

from dataclasses import dataclass, replace

from diskchain.libvirtxml.markup.document import Element, refuse
from diskchain.libvirtxml.markup.scalars import ULLONG_MAX, YES_NO, one_of, read_number, scaled, text_of
from diskchain.libvirtxml.markup.unknown import attributes, children, note_element, within, words
from diskchain.libvirtxml.parse.fast_path import MAX_BACKING_STORES, read_plain_chain
from diskchain.libvirtxml.parse.location import read_location
from diskchain.libvirtxml.parse.runtime import read_source_runtime
from diskchain.libvirtxml.parse.seclabel import read_seclabels
from diskchain.libvirtxml.parse.secrets import read_auth, read_encryption
from diskchain.libvirtxml.view import View
from diskchain.libvirtxml.vocabulary import FORMATS, STORAGE_TYPES
from diskchain.storage.auth import Auth
from diskchain.storage.encryption import Encryption
from diskchain.storage.foreign import Foreign
from diskchain.storage.location import FileLocation, Location
from diskchain.storage.runtime import Runtime
from diskchain.storage.seclabel import SecLabel
from diskchain.storage.slice import Slice
from diskchain.storage.source import TERMINATOR, UNKNOWN, Backing, Reservations, Source
from diskchain.storage.terms import Format, StorageType

# Of any type: libvirt ignores those that belong to another.
_ATTRIBUTES = words(
    "actualType dev dir fdgroup file index managed mode name namespace path pool protocol query startupPolicy tls"
    " tlsFromConfig tlsHostname type volume"
)
_CHILDREN = words(
    "address auth config cookies dataStore encryption host identity initiator knownHosts privateData readahead"
    " reconnect reservations seclabel slices snapshot ssl timeout"
)
_WRAPPER = frozenset({"type", "index"})
_FORMAT = frozenset({"type"})
_FORMAT_CHILDREN = frozenset({"metadata_cache"})
_SLICE = frozenset({"type", "offset", "size"})
_RESERVATIONS_SOURCE = frozenset({"type", "path", "mode"})

_type = one_of(STORAGE_TYPES)
_format = one_of(FORMATS)
_yes_no = one_of(YES_NO)


@dataclass(frozen=True, slots=True)
class Contents:
    """What ``<source>`` itself says of a layer."""

    location: Location
    data_file: Source | None = None
    encryption: Encryption | None = None
    auth: Auth | None = None
    seclabels: tuple[SecLabel, ...] = ()
    slice: Slice | None = None
    reservations: Reservations | None = None
    runtime: Runtime | None = None


@dataclass(frozen=True, slots=True)
class Wrapper:
    """What stands around ``<source>`` in ``<backingStore>``, ``<mirror>`` or ``<dataStore>``."""

    format: Format | None = None
    metadata_cache: int | None = None
    readonly: bool = False
    chain_index: int | None = None


def read_contents(
    element: Element, type: StorageType, view: View, found: list[Foreign], *, readonly: bool = False
) -> Contents:
    """``<source>`` of a layer of ``type``; ``readonly`` is what its data file takes over from it."""
    file = plain_file(element, type)
    if file is not None:
        return Contents(file)
    names = attributes(element, _ATTRIBUTES, "source", found)
    if not len(element):
        return Contents(read_location(element, type, names, {}, view, "source", found))
    parts = children(element, _CHILDREN, "source", found)
    location = read_location(element, type, names, parts, view, "source", found)
    data_store = parts.get("dataStore")
    private = parts.get("privateData") if view is View.STATUS else None
    return Contents(
        location,
        read_data_store(data_store[0], view, readonly=readonly) if data_store else None,
        read_encryption(parts["encryption"][0], "source/encryption", found) if "encryption" in parts else None,
        read_auth(parts["auth"][0], "source/auth", found) if "auth" in parts else None,
        read_seclabels(parts["seclabel"], view, "source/seclabel", found) if "seclabel" in parts else (),
        _read_slice(parts["slices"][0], found) if "slices" in parts else None,
        _read_reservations(parts["reservations"][0], found) if "reservations" in parts else None,
        read_source_runtime(private[0], "source/privateData", found) if private else None,
    )


def plain_file(element: Element, type: StorageType) -> FileLocation | None:
    """What ``<source>`` says where it names a file and says nothing else, as nearly always; else None."""
    items = element.items()
    if len(items) == 1 and type is StorageType.FILE and items[0][0] == "file" and not len(element):
        return FileLocation(items[0][1] or None)
    return None


def layer(contents: Contents, wrapper: Wrapper, backing: Backing, found: list[Foreign]) -> Source:
    """One layer of all its parts."""
    return Source(
        contents.location,
        wrapper.format,
        backing,
        contents.data_file,
        contents.encryption,
        contents.auth,
        contents.seclabels,
        contents.slice,
        contents.reservations,
        wrapper.metadata_cache,
        wrapper.readonly,
        chain_index=wrapper.chain_index,
        runtime=contents.runtime,
        foreign=tuple(found),
    )


def read_backing(element: Element, view: View) -> Backing:
    """``<backingStore>`` and everything in it."""
    plain = read_plain_chain(element, view)
    if plain is not None:
        return plain
    below: Element | None = element
    chain: list[tuple[Contents, Wrapper, list[Foreign]]] = []
    backing: Backing = UNKNOWN
    while below is not None:
        if below.get("type") is None:
            backing = TERMINATOR
            break
        if len(chain) == MAX_BACKING_STORES:
            refuse(below, f"more than {MAX_BACKING_STORES} backing stores")
        contents, wrapper, found, below = _read_backing_layer(below, view)
        chain.append((contents, wrapper, found))
    for contents, wrapper, found in reversed(chain):
        backing = layer(contents, wrapper, backing, found)
    return backing


def _read_backing_layer(element: Element, view: View) -> tuple[Contents, Wrapper, list[Foreign], Element | None]:
    """One ``<backingStore>``, and the element of the one below it."""
    found: list[Foreign] = []
    names = attributes(element, _WRAPPER, "", found)
    format: Element | None = None
    source: Element | None = None
    below: Element | None = None
    data_store: Element | None = None
    before = ""
    for child in element:
        match child.tag:
            case "format":
                format = child if format is None else format
            case "source":
                source = child if source is None else source
            case "backingStore":
                below = child if below is None else below
            case "dataStore":
                data_store = child if data_store is None else data_store
            case str():
                note_element(child, before, "", found)
                continue
            case _:
                continue
        before = child.tag
    if format is None or not format.get("type"):
        refuse(element, "<backingStore> has no <format> with a type")
    if source is None:
        refuse(element, "<backingStore> has no <source>")
    type = _type(element, "the type of <backingStore>", names["type"])
    index = names.get("index") if view.running else None
    wrapper = Wrapper(
        _format(format, "the type of <format>", format.get("type") or ""),
        read_format_cache(format, found),
        readonly=True,  # always: libvirt writes to the top only
        chain_index=None if index is None else read_index(element, index),
    )
    contents = read_contents(source, type, view, found, readonly=True)
    if data_store is not None:  # older place; <source> has it now
        contents = replace(contents, data_file=read_data_store(data_store, view, readonly=True))
    return contents, wrapper, found, below


def read_index(element: Element, text: str) -> int | None:
    """The id libvirt gave a layer; 0 says the same as none."""
    return read_number(element, "index", text) or None


def read_format_cache(element: Element, found: list[Foreign]) -> int | None:
    """The ``<metadata_cache>`` of a ``<format>``, in bytes."""
    attributes(element, _FORMAT, "format", found)
    if not len(element):
        return None
    return read_metadata_cache(children(element, _FORMAT_CHILDREN, "format", found), "format", found)


def read_metadata_cache(parts: dict[str, list[Element]], place: str, found: list[Foreign]) -> int | None:
    """``<metadata_cache><max_size>`` among the children at ``place``, in bytes; 0 says the same as nothing."""
    place = f"{place}/metadata_cache"
    for cache in parts.get("metadata_cache", ()):
        sizes = within(cache, frozenset({"max_size"}), place, found).get("max_size")
        if sizes:
            attributes(sizes[0], frozenset({"unit"}), f"{place}/max_size", found)
            text = text_of(sizes[0])
            return scaled(sizes[0], "max_size", text) or None if text else None
    return None


def read_data_store(element: Element, view: View, *, readonly: bool) -> Source:
    """``<dataStore>``: qcow2's external data file."""
    found: list[Foreign] = []
    names = attributes(element, _WRAPPER, "", found)
    parts = children(element, frozenset({"format", "source"}), "", found)
    if "type" not in names:
        refuse(element, "<dataStore> needs a type", tuple(STORAGE_TYPES))
    if "format" not in parts or not parts["format"][0].get("type"):
        refuse(element, "<dataStore> has no <format> with a type")
    if "source" not in parts:
        refuse(element, "<dataStore> has no <source>")
    format, source = parts["format"][0], parts["source"][0]
    type = _type(element, "the type of <dataStore>", names["type"])
    index = source.get("index") if view.running else None
    wrapper = Wrapper(
        _format(format, "the type of <format>", format.get("type") or ""),
        readonly=readonly,
        chain_index=None if index is None else read_index(source, index),
    )
    return layer(read_contents(source, type, view, found, readonly=readonly), wrapper, UNKNOWN, found)


def _read_slice(element: Element, found: list[Foreign]) -> Slice | None:
    """The slice of type ``storage``; libvirt has no other, and ignores others."""
    slices = within(element, frozenset({"slice"}), "source/slices", found).get("slice", ())
    ours: Element | None = None
    for one in slices:
        if one.get("type") != "storage":
            note_element(one, "" if ours is None else "slice", "source/slices", found)
        elif ours is None:
            ours = one
    if ours is None:
        return None
    names = attributes(ours, _SLICE, "source/slices/slice", found)
    if not names.get("offset") or not names.get("size"):
        refuse(ours, "<slice> needs an offset and a size")
    return Slice(
        read_number(ours, "the offset of <slice>", names["offset"], most=ULLONG_MAX),
        read_number(ours, "the size of <slice>", names["size"], most=ULLONG_MAX),
    )


def _read_reservations(element: Element, found: list[Foreign]) -> Reservations:
    names = attributes(element, frozenset({"managed"}), "source/reservations", found)
    if "managed" not in names:
        refuse(element, "<reservations> needs managed", tuple(YES_NO))
    managed = _yes_no(element, "managed of <reservations>", names["managed"])
    sources = children(element, frozenset({"source"}), "source/reservations", found).get("source")
    said: dict[str, str] = {}
    if sources:
        said = attributes(sources[0], _RESERVATIONS_SOURCE, "source/reservations/source", found)
    said = {name: value for name, value in said.items() if value and name in _RESERVATIONS_SOURCE}
    complete = said.get("type") == "unix" and said.get("mode") == "client" and "path" in said
    if not complete and (said or not managed):
        refuse(element, "<reservations> needs a <source> of type unix and mode client, with a path")
    return Reservations(managed, said.get("path"))
