"""``<driver>`` of a disk: how the hypervisor serves it, and the format, which is the source's.

Source: libvirt 11.3.0 (``virDomainDiskDefDriverParseXML``, ``virDomainDiskDefDriverSourceParseXML``).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from diskchain.guest.driver import DriverPolicy, IoThread, VirtioOptions
from diskchain.libvirtxml.markup.document import Element, Refusal, refuse
from diskchain.libvirtxml.markup.scalars import SWITCH, Reader, count_or_none, number, one_of, read_number, string
from diskchain.libvirtxml.markup.unknown import attributes, children, note_attributes, numbered, within
from diskchain.libvirtxml.parse.source import read_metadata_cache
from diskchain.libvirtxml.vocabulary import (
    CACHE_MODES,
    DETECT_ZEROES,
    DISCARDS,
    DRIVER_FORMATS,
    ERROR_POLICIES,
    IO_MODES,
    READ_ERROR_POLICIES,
)
from diskchain.storage.foreign import Foreign
from diskchain.storage.terms import Format

_switch = one_of(SWITCH)
_format = one_of(DRIVER_FORMATS)

# Attribute and field have one name.
_POLICY: dict[str, Reader] = {
    "name": string,
    "cache": one_of(CACHE_MODES),
    "error_policy": one_of(ERROR_POLICIES),
    "rerror_policy": one_of(READ_ERROR_POLICIES),
    "io": one_of(IO_MODES),
    "ioeventfd": _switch,
    "event_idx": _switch,
    "copy_on_read": _switch,
    "discard": one_of(DISCARDS),
    "detect_zeroes": one_of(DETECT_ZEROES),
    "discard_no_unref": _switch,
    "iothread": number(least=1),
    "queues": count_or_none,
    "queue_size": count_or_none,
}
_VIRTIO: dict[str, Reader] = {"iommu": _switch, "ats": _switch, "packed": _switch, "page_per_vq": _switch}
_NOWHERE = cast("Element", None)  # readers use it for the line of what they refuse
_CHILDREN = frozenset({"metadata_cache", "iothreads"})
_ID = frozenset({"id"})


@dataclass(frozen=True, slots=True)
class Driver:
    """What ``<driver>`` says: of the device, and of the top image."""

    policy: DriverPolicy
    format: Format | None
    metadata_cache: int | None


def read_driver(element: Element, found: list[Foreign]) -> Driver:
    """``<driver>``, taken apart."""
    if not len(element):
        usual = _usual_driver(tuple(element.items()))
        if usual is not None:
            return usual
    format: Format | None = None
    policy: dict[str, Any] = {}
    virtio: dict[str, Any] = {}
    for name, text in element.items():
        if name in _POLICY:
            policy[name] = _POLICY[name](element, f"{name} of <driver>", text)
        elif name == "type":
            format = _format(element, "the type of <driver>", text)
        elif name in _VIRTIO:
            virtio[name] = _VIRTIO[name](element, f"{name} of <driver>", text)
        else:
            note_attributes(element, [name], "driver", found)
    if virtio:
        policy["virtio"] = VirtioOptions(**virtio)
    if not len(element):
        return Driver(DriverPolicy(**policy), format, None)
    parts = children(element, _CHILDREN, "driver", found)
    if "iothreads" in parts:
        policy["iothreads"] = _read_iothreads(parts["iothreads"][0], found)
    return Driver(DriverPolicy(**policy), format, read_metadata_cache(parts, "driver", found))


@lru_cache(maxsize=256)
def _usual_driver(attributes: tuple[tuple[str, str], ...]) -> Driver | None:
    """The same from attributes alone, read once for all the disks that are served alike; None: read it in full."""
    format: Format | None = None
    policy: dict[str, Any] = {}
    for name, text in attributes:
        if name == "type":
            format = DRIVER_FORMATS.get(text)
            if format is None:
                return None
        elif name in _POLICY:
            try:
                policy[name] = _POLICY[name](_NOWHERE, name, text)
            except Refusal:
                return None
        else:
            return None
    return Driver(DriverPolicy(**policy), format, None)


def _read_iothreads(element: Element, found: list[Foreign]) -> tuple[IoThread, ...]:
    place = "driver/iothreads"
    threads: list[IoThread] = []
    for n, thread in enumerate(within(element, frozenset({"iothread"}), place, found).get("iothread", ())):
        below = numbered(f"{place}/iothread", n)
        queues = children(thread, frozenset({"queue"}), below, found).get("queue", ())
        threads.append(
            IoThread(
                _read_id(thread, below, found),
                tuple(_read_id(queue, numbered(f"{below}/queue", q), found) for q, queue in enumerate(queues)),
            )
        )
    return tuple(threads)


def _read_id(element: Element, place: str, found: list[Foreign]) -> int:
    id = attributes(element, _ID, place, found).get("id")
    if id is None:
        refuse(element, f"<{element.tag}> has no id")
    return read_number(element, f"the id of <{element.tag}>", id)
