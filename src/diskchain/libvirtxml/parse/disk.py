"""``<disk>``. Source: libvirt 11.3.0 (``virDomainDiskDefParseXML``, ``virDomainDiskDefParseSourceXML``)."""

from dataclasses import replace
from typing import Any

from diskchain.guest.disk import Disk
from diskchain.guest.driver import DriverPolicy
from diskchain.guest.target import Target
from diskchain.libvirtxml.markup.document import Element, refuse
from diskchain.libvirtxml.markup.scalars import YES_NO, Reader, one_of, text_of
from diskchain.libvirtxml.markup.unknown import NOTHING, attributes, children, note_attributes, words
from diskchain.libvirtxml.parse.address import read_info
from diskchain.libvirtxml.parse.device import (
    read_blockio,
    read_geometry,
    read_iotune,
    read_mirror,
    read_target,
    read_throttle_filters,
)
from diskchain.libvirtxml.parse.driver import Driver, read_driver
from diskchain.libvirtxml.parse.network import Parts
from diskchain.libvirtxml.parse.runtime import read_disk_runtime
from diskchain.libvirtxml.parse.secrets import read_auth, read_encryption
from diskchain.libvirtxml.parse.source import (
    Contents,
    Wrapper,
    layer,
    plain_file,
    read_backing,
    read_contents,
    read_index,
)
from diskchain.libvirtxml.view import View
from diskchain.libvirtxml.vocabulary import DEVICES, MODELS, SGIO, SNAPSHOTS, STARTUP_POLICIES, STORAGE_TYPES
from diskchain.storage.foreign import Foreign
from diskchain.storage.location import FileLocation
from diskchain.storage.source import UNKNOWN, Backing, Source
from diskchain.storage.terms import StorageType

_type = one_of(STORAGE_TYPES)
_startup_policy = one_of(STARTUP_POLICIES)
_yes_no = one_of(YES_NO)

# Attribute and field have one name.
_DISK: dict[str, Reader] = {
    "device": one_of(DEVICES),
    "model": one_of(MODELS),
    "snapshot": one_of(SNAPSHOTS),
    "rawio": _yes_no,
    "sgio": one_of(SGIO),
}
_CHILDREN = words(
    "driver auth source backingStore backenddomain geometry blockio mirror target iotune throttlefilters readonly"
    " shareable transient serial wwn vendor product encryption boot alias acpi address privateData"
    " diskSecretsPlacement"
)
_NO_DRIVER = Driver(DriverPolicy(), None, None)
_SECRETS = frozenset({"auth", "encryption"})
_INFO = frozenset({"boot", "alias", "acpi", "address"})


_TEXTS = ("serial", "wwn", "vendor", "product")
_RARE = frozenset({"mirror", "iotune", "throttlefilters", "geometry", "blockio", "transient", "backenddomain"})


def read_disk(element: Element, view: View) -> Disk:
    """One ``<disk>`` with its chain."""
    found: list[Foreign] = []
    parts = children(element, _CHILDREN, "", found)
    fields: dict[str, Any] = {}
    said_type: str | None = None
    for name, text in element.items():
        if name in _DISK:
            fields[name] = _DISK[name](element, f"{name} of <disk>", text)
        elif name == "type":
            said_type = text
        else:
            note_attributes(element, [name], "", found)
    driver = read_driver(parts["driver"][0], found) if "driver" in parts else _NO_DRIVER
    source = _read_top(element, said_type, parts, driver, view, found)
    target = read_target(parts["target"][0], found) if "target" in parts else Target("")
    for name in _TEXTS:
        if name in parts:
            attributes(parts[name][0], NOTHING, name, found)
            fields[name] = text_of(parts[name][0])
    if not _RARE.isdisjoint(parts):
        _read_rare(parts, view, fields, found)
    if "source" in parts:
        policy = parts["source"][0].get("startupPolicy")
        if policy is not None:
            fields["startup_policy"] = _startup_policy(parts["source"][0], "startupPolicy of <source>", policy)
    if not _INFO.isdisjoint(parts):
        fields["info"] = read_info(parts, view, found)
    _read_placement(parts, view, fields)
    if view is View.STATUS and "privateData" in parts:
        fields["runtime"] = read_disk_runtime(parts["privateData"][0], "privateData", found)
    if found:
        fields["foreign"] = tuple(found)
    return Disk(source, target, driver=driver.policy, **fields)


def read_disk_source(element: Element, view: View) -> Source:
    """The chain of a ``<disk>`` alone, as libvirt reads the destination of a block copy."""
    found: list[Foreign] = []
    parts = children(element, _CHILDREN, "", found)
    driver = read_driver(parts["driver"][0], found) if "driver" in parts else _NO_DRIVER
    return _read_top(element, element.get("type"), parts, driver, view, found)


def _read_rare(parts: Parts, view: View, fields: dict[str, Any], found: list[Foreign]) -> None:
    if "mirror" in parts and view.running:
        fields["mirror"] = read_mirror(parts["mirror"][0], view)
    if "iotune" in parts:
        fields["iotune"] = read_iotune(parts["iotune"], found)
    if "throttlefilters" in parts:
        fields["throttle_filters"] = read_throttle_filters(parts["throttlefilters"], found)
    if "geometry" in parts:
        fields["geometry"] = read_geometry(parts["geometry"][0], found)
    if "blockio" in parts:
        fields["blockio"] = read_blockio(parts["blockio"][0], found)
    if "transient" in parts:
        transient = parts["transient"][0]
        share = attributes(transient, frozenset({"shareBacking"}), "transient", found).get("shareBacking")
        fields["transient"] = True
        if share is not None:
            fields["share_backing"] = _yes_no(transient, "shareBacking of <transient>", share)
    if "backenddomain" in parts:
        domain = attributes(parts["backenddomain"][0], frozenset({"name"}), "backenddomain", found).get("name")
        fields["backend_domain"] = domain or None


def _read_placement(parts: Parts, view: View, fields: dict[str, Any]) -> None:
    """Whether auth and encryption stood under ``<disk>``. A status document says so apart, once they have moved."""
    if view is View.STATUS and "diskSecretsPlacement" in parts:
        placed = parts["diskSecretsPlacement"][0]
        fields["auth_in_disk"] = placed.get("auth") is not None
        fields["encryption_in_disk"] = placed.get("enc") is not None
        return
    if "auth" in parts:
        fields["auth_in_disk"] = True
    if "encryption" in parts:
        fields["encryption_in_disk"] = True


def _read_top(
    element: Element, said_type: str | None, parts: Parts, driver: Driver, view: View, of_disk: list[Foreign]
) -> Source:
    """The top image. Without ``<source>`` the type counts for nothing: an empty drive is a file without a path."""
    type = StorageType.FILE if said_type is None else _type(element, "type of <disk>", said_type)
    readonly, shared = "readonly" in parts, "shareable" in parts
    file = plain_file(parts["source"][0], type) if "source" in parts and _SECRETS.isdisjoint(parts) else None
    if file is not None:
        backing, cache = _read_below(parts, view), driver.metadata_cache
        return Source(file, driver.format, backing, metadata_cache=cache, readonly=readonly, shared=shared)
    found: list[Foreign] = []
    index: int | None = None
    if "source" in parts:
        inner = parts["source"][0]
        contents = read_contents(inner, type, view, found)
        said_index = inner.get("index") if view.running else None
        index = None if said_index is None else read_index(inner, said_index)
    else:
        contents = Contents(FileLocation(None))
    if "auth" in parts:
        if contents.auth is not None:
            refuse(parts["auth"][0], "<auth> under <disk> and under <source>")
        contents = replace(contents, auth=read_auth(parts["auth"][0], "auth", of_disk))
    if "encryption" in parts:
        if contents.encryption is not None:
            refuse(parts["encryption"][0], "<encryption> under <disk> and under <source>")
        contents = replace(contents, encryption=read_encryption(parts["encryption"][0], "encryption", of_disk))
    wrapper = Wrapper(driver.format, driver.metadata_cache, readonly, index)
    source = layer(contents, wrapper, _read_below(parts, view), found)
    return source._replace(shared=True) if shared else source


def _read_below(parts: Parts, view: View) -> Backing:
    return read_backing(parts["backingStore"][0], view) if "backingStore" in parts else UNKNOWN
