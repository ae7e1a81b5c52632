"""Every difference there is between a completed document and the live XML of a domain started from it, each with its reason.

``complete`` writes ``<backingStore>`` and ``<dataStore>`` and leaves every other byte alone, so whatever libvirt fills in, spells
otherwise or forgets elsewhere in a disk is a difference; ``docs/complete.md`` tells users of them. Index, alias and address are
identities of one run, and no difference.
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from lxml import etree

Element = Any  # lxml has no types

#: The order of libvirt's output, of what is inserted here and its neighbours.
_ORDER = ("driver", "source", "backingStore", "mirror", "target", "iotune", "readonly", "shareable", "transient")
_BYTES = {"KiB": 1 << 10, "MiB": 1 << 20}


def _untouched(_disk: Element) -> None:
    pass


class Difference(NamedTuple):
    """``ours`` changes a completed disk to what libvirt shows, ``live`` the other way round. Up to ``until``, a version of libvirt."""

    name: str
    reason: str
    ours: Callable[[Element], None] = _untouched
    live: Callable[[Element], None] = _untouched
    until: int = sys.maxsize


def _insert(disk: Element, name: str) -> Element:
    """A new child where libvirt has it."""
    new = etree.Element(name)
    before = [child for child in disk if child.tag in _ORDER and _ORDER.index(child.tag) < _ORDER.index(name)]
    disk.insert(disk.index(before[-1]) + 1 if before else 0, new)
    return new


def _remove(disk: Element, path: str) -> None:
    for element in disk.xpath(path):
        element.getparent().remove(element)


def is_empty(disk: Element) -> bool:
    """Whether there is no medium."""
    source = disk.find("source")
    return source is None or not (source.get("file") or source.get("dev"))


def _blanks(disk: Element) -> None:
    for element in disk.iter(etree.Element):
        for key, value in element.items():
            element.set(key, value.translate(dict.fromkeys(map(ord, "\n\t\r"), " ")))


def _defaults(disk: Element) -> None:
    disk.set("type", disk.get("type", "file"))
    disk.set("device", disk.get("device", "disk"))
    target = disk.find("target")
    target.set("bus", target.get("bus", "ide" if target.get("dev").startswith("hd") else "virtio"))


def _driver(disk: Element) -> None:
    driver = disk.find("driver")
    driver = _insert(disk, "driver") if driver is None else driver
    driver.set("name", driver.get("name", "qemu"))
    if not is_empty(disk):
        driver.set("type", driver.get("type", "raw"))


def _aio(disk: Element) -> None:
    for driver in disk.findall("driver[@type='aio']"):
        driver.set("type", "raw")


def _empty_drive(disk: Element) -> None:
    if is_empty(disk):
        disk.set("type", "file")
        _remove(disk, "source[not(@startupPolicy)]")
        for element in (*disk.findall("source"), *disk.findall("driver")):
            for key in {"file", "dev", "type"} & {*element.keys()}:
                del element.attrib[key]


def _readonly(disk: Element) -> None:
    if disk.get("device") == "cdrom" and disk.find("readonly") is None:
        _insert(disk, "readonly")


def _cache(disk: Element) -> None:
    driver = disk.find("driver")
    if disk.find("shareable") is not None and disk.find("readonly") is None and driver is not None:
        driver.set("cache", driver.get("cache", "none"))


def _unit(disk: Element) -> None:
    for size in disk.iterfind(".//metadata_cache/max_size"):
        size.text = str(int(size.text) * _BYTES.get(size.get("unit"), 1))
        size.set("unit", "bytes")


def _without_overlay(disk: Element) -> None:
    if disk.find("transient") is not None:
        store = disk.find("backingStore")
        driver, format = disk.find("driver"), store.find("format")
        driver.set("type", format.get("type"))
        driver[:] = format[:]
        disk.replace(disk.find("source"), store.find("source"))
        disk.replace(store, store.find("backingStore"))


def _foreign(disk: Element) -> None:
    _remove(disk, ".//strange | .//*[namespace-uri()]")
    for element in disk.xpath(".//*[@strange]"):
        del element.attrib["strange"]


def _ends(disk: Element) -> None:
    for store in disk.xpath(".//backingStore[not(@type)]"):
        store[:] = []


def _unlooked_for(disk: Element) -> None:
    """Data files of layers that have something below them, or an end that the document itself says."""
    for store in disk.xpath(".//dataStore"):
        layer = store.getparent().getparent()
        below = layer.find("backingStore")
        declared = isinstance(store.getprevious(), etree._Comment) and not isinstance(
            below.getprevious(), etree._Comment
        )
        if below.get("type") is not None or declared:
            store.getparent().remove(store)


DIFFERENCES = (
    Difference(
        "data file",
        "libvirt before 10.10 knows no external data files: it leaves them to QEMU",
        ours=lambda disk: _remove(disk, ".//dataStore"),
        until=10_010_000,
    ),
    Difference(
        "overlooked data file",
        "libvirt 11.3 looks for no data file of an image that has a backing file, or below which the document itself ends the chain",
        ours=_unlooked_for,
    ),
    Difference(
        "line break",
        "libvirt 9 writes line breaks and tabs in names as they are, and whoever reads that XML gets blanks: ours are the names",
        ours=_blanks,
    ),
    Difference("default", "libvirt writes out the defaults of type, device and bus", ours=_defaults),
    Difference("aio", "libvirt reads aio, Xen's old word, as raw", ours=_aio),
    Difference(
        "empty drive",
        "an empty drive has no type: to libvirt it is a file, and neither the format nor an empty source is kept",
        ours=_empty_drive,
    ),
    Difference(
        "driver", "libvirt writes out that the driver is qemu, and that a format nobody says is raw", ours=_driver
    ),
    Difference("readonly", "a CD-ROM is read-only, whether the document says so or not", ours=_readonly),
    Difference("cache", "what several guests may write must not be cached, so libvirt says cache='none'", ours=_cache),
    Difference("unit", "libvirt writes the size of a metadata cache in bytes", ours=_unit),
    Difference(
        "transient",
        "libvirt starts a transient disk on an overlay of its own, which is gone with the domain",
        live=_without_overlay,
    ),
    Difference(
        "mirror",
        "a <mirror> is the state of a running job: libvirt reads it in no document it starts a domain from",
        ours=lambda disk: _remove(disk, "mirror"),
    ),
    Difference("foreign", "libvirt drops what it does not know; diskchain leaves it as it was", ours=_foreign),
    Difference(
        "second store",
        "libvirt reads the first <backingStore> alone",
        ours=lambda disk: _remove(disk, "backingStore[position() > 1]"),
    ),
    Difference("untyped store", "a <backingStore> without a type ends the chain, whatever is in it", ours=_ends),
    Difference(
        "no limit",
        "libvirt drops limits of 0, which are none",
        ours=lambda disk: _remove(disk, "iotune[not(*[text() != '0'])]"),
    ),
)
