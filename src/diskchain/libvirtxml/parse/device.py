"""The small elements of a disk: target, geometry, block sizes, limits, mirror.

Source: libvirt 11.3.0 (``virDomainDiskDefParseXML``, ``virDomainDiskDefIotuneParse``, ``virDomainDiskDefMirrorParse``).
"""

from typing import Any

from diskchain.guest.iotune import IOTUNE_NAMES, IoTune
from diskchain.guest.mirror import Mirror
from diskchain.guest.target import BlockIo, Geometry, Target
from diskchain.guest.terms import MirrorJob
from diskchain.libvirtxml.markup.document import Element, refuse
from diskchain.libvirtxml.markup.scalars import (
    SWITCH,
    Reader,
    big_number,
    count_or_none,
    number,
    one_of,
    read_number,
    text_of,
)
from diskchain.libvirtxml.markup.unknown import NOTHING, attributes, children, numbered, within
from diskchain.libvirtxml.parse.source import (
    Contents,
    Wrapper,
    layer,
    read_backing,
    read_contents,
    read_format_cache,
    read_index,
)
from diskchain.libvirtxml.view import View
from diskchain.libvirtxml.vocabulary import (
    BUSES,
    FORMATS,
    MIRROR_JOBS,
    MIRROR_STATES,
    STORAGE_TYPES,
    TRANSLATIONS,
    TRAYS,
)
from diskchain.storage.foreign import Foreign
from diskchain.storage.location import FileLocation
from diskchain.storage.source import UNKNOWN, Source
from diskchain.storage.terms import Format, StorageType

_TARGET = frozenset({"dev", "bus", "tray", "removable", "rotation_rate"})
_BARE_TARGET = 2  # a name and a bus
_GEOMETRY = frozenset({"cyls", "heads", "secs", "trans"})
_IOTUNE = frozenset(IOTUNE_NAMES)
_MIRROR = frozenset({"type", "file", "format", "job", "ready"})
_MIRROR_CHILDREN = frozenset({"format", "source", "backingStore"})

_bus = one_of(BUSES)
_tray = one_of(TRAYS)
_switch = one_of(SWITCH)
_translation = one_of(TRANSLATIONS)
_job = one_of(MIRROR_JOBS)
_state = one_of(MIRROR_STATES)
_type = one_of(STORAGE_TYPES)
_format = one_of(FORMATS)
_any_number = number()

# Attribute and field have one name.
_BLOCK_SIZES: dict[str, Reader] = {
    "logical_block_size": count_or_none,
    "physical_block_size": count_or_none,
    "discard_granularity": _any_number,
}
_BLOCKIO = frozenset(_BLOCK_SIZES)


def read_target(element: Element, found: list[Foreign]) -> Target:
    """The disk's name in the domain, and its bus. The name may be missing: ``""``."""
    names = attributes(element, _TARGET, "target", found)
    dev, bus = names.get("dev", ""), names.get("bus")
    if len(names) == _BARE_TARGET and "dev" in names and bus in BUSES:  # nothing else, nearly always
        return Target(dev, BUSES[bus])
    tray, removable, rate = names.get("tray"), names.get("removable"), names.get("rotation_rate")
    return Target(
        dev,
        None if bus is None else _bus(element, "the bus of <target>", bus),
        None if tray is None else _tray(element, "tray of <target>", tray),
        None if removable is None else _switch(element, "removable of <target>", removable),
        None if rate is None else count_or_none(element, "rotation_rate of <target>", rate),
    )


def read_geometry(element: Element, found: list[Foreign]) -> Geometry:
    """Cylinders, heads, sectors and the translation."""
    names = attributes(element, _GEOMETRY, "geometry", found)
    cylinders, heads, sectors = (
        read_number(element, f"{name} of <geometry>", names.get(name, "0")) for name in ("cyls", "heads", "secs")
    )
    trans = names.get("trans")
    translation = None if trans is None else _translation(element, "trans of <geometry>", trans)
    return Geometry(cylinders, heads, sectors, translation)


def read_blockio(element: Element, found: list[Foreign]) -> BlockIo | None:
    """Block sizes. 0 says the same as nothing, but for the discard granularity."""
    names = attributes(element, _BLOCKIO, "blockio", found)
    sizes = BlockIo(
        **{
            name: reader(element, f"{name} of <blockio>", names[name])
            for name, reader in _BLOCK_SIZES.items()
            if name in names
        }
    )
    return None if sizes == BlockIo() else sizes


def read_iotune(elements: list[Element], found: list[Foreign]) -> IoTune | None:
    """Limits: the first of each name counts."""
    limits: dict[str, Any] = {}
    for n, element in enumerate(elements):
        place = numbered("iotune", n)
        for name, values in within(element, _IOTUNE, place, found).items():
            attributes(values[0], NOTHING, f"{place}/{name}", found)
            text = text_of(values[0])
            if text is not None and name not in limits:
                limits[name] = text if name == "group_name" else big_number(values[0], f"<{name}>", text)
    tune = IoTune(**limits)
    return None if tune == IoTune() else tune


def read_throttle_filters(elements: list[Element], found: list[Foreign]) -> tuple[str, ...]:
    """The groups of a disk's throttle filters, in order."""
    groups: dict[str, None] = {}
    for element in elements:
        filters = within(element, frozenset({"throttlefilter"}), "throttlefilters", found).get("throttlefilter", ())
        for n, one in enumerate(filters):
            place = numbered("throttlefilters/throttlefilter", n)
            group = attributes(one, frozenset({"group"}), place, found).get("group")
            if not group:
                refuse(one, "<throttlefilter> has no group")
            if group in groups:
                refuse(one, f"two <throttlefilter> of group {group}")
            groups[group] = None
    return tuple(groups)


def read_mirror(element: Element, view: View) -> Mirror:
    """``<mirror>`` in its new style (``type`` and ``<source>``) or its old (``file``)."""
    found: list[Foreign] = []
    names = attributes(element, _MIRROR, "", found)
    job = _job(element, "the job of <mirror>", names["job"]) if "job" in names else MirrorJob.COPY
    ready = _state(element, "ready of <mirror>", names["ready"]) if "ready" in names else None
    parts = children(element, _MIRROR_CHILDREN, "", found)
    if "type" in names:
        source = _read_new_mirror(element, names["type"], parts, view, found)
    else:
        if job is not MirrorJob.COPY:
            refuse(element, "only a <mirror> of job copy can do without a type", tuple(STORAGE_TYPES))
        if "file" not in names:
            refuse(element, "<mirror> has neither a type nor a file")
        format = names.get("format")
        wrapper = Wrapper(None if format is None else _mirror_format(element, format), _mirror_cache(parts, found))
        source = layer(Contents(FileLocation(names["file"])), wrapper, UNKNOWN, found)
    return Mirror(source, job, ready)


def _read_new_mirror(
    element: Element, said: str, parts: dict[str, list[Element]], view: View, found: list[Foreign]
) -> Source:
    type: StorageType = _type(element, "the type of <mirror>", said)
    if "source" not in parts:
        refuse(element, "<mirror> has no <source>")
    inner = parts["source"][0]
    format = parts["format"][0].get("type") if "format" in parts else None
    index = inner.get("index")
    wrapper = Wrapper(
        _mirror_format(element, format) if format else None,
        _mirror_cache(parts, found),
        chain_index=read_index(inner, index) if index else None,
    )
    backing = read_backing(parts["backingStore"][0], view) if "backingStore" in parts else UNKNOWN
    return layer(read_contents(inner, type, view, found), wrapper, backing, found)


def _mirror_format(element: Element, word: str) -> Format:
    return _format(element, "the format of <mirror>", word)


def _mirror_cache(parts: dict[str, list[Element]], found: list[Foreign]) -> int | None:
    return read_format_cache(parts["format"][0], found) if "format" in parts else None
