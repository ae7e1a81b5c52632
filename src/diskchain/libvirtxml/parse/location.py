"""Where a source's bytes are: the attributes of ``<source>`` and the children that belong to its type.

Source: libvirt 11.3.0 (``virDomainStorageSourceParse`` and below).
"""

from diskchain.libvirtxml.markup.document import Element, refuse
from diskchain.libvirtxml.markup.scalars import ULLONG_MAX, YES_NO, one_of, read_number
from diskchain.libvirtxml.markup.unknown import attributes, children
from diskchain.libvirtxml.parse.network import Names, Parts, read_network
from diskchain.libvirtxml.view import View
from diskchain.libvirtxml.vocabulary import STORAGE_TYPES, VOLUME_MODES
from diskchain.storage.foreign import Foreign
from diskchain.storage.location import (
    BlockLocation,
    DirLocation,
    FileLocation,
    Location,
    NvmeLocation,
    PciAddress,
    VhostUserLocation,
    VhostVdpaLocation,
    VolumeLocation,
)
from diskchain.storage.terms import StorageType

_PCI = frozenset({"domain", "bus", "slot", "function", "multifunction", "type"})
_BUS_MAX, _SLOT_MAX, _FUNCTION_MAX = 0xFF, 0x1F, 7
_PCI_CHILDREN = frozenset({"zpci"})
_RECONNECT = frozenset({"enabled", "timeout", "delay"})

_mode = one_of(VOLUME_MODES)
_type = one_of(STORAGE_TYPES)
_yes_no = one_of(YES_NO)


def read_location(
    element: Element, type: StorageType, names: Names, parts: Parts, view: View, place: str, found: list[Foreign]
) -> Location:
    """The location a ``<source>`` of ``type`` has. An empty path is no path: some mean an empty drive by it."""
    match type:
        case StorageType.FILE:
            return FileLocation(names.get("file") or None, names.get("fdgroup"))
        case StorageType.BLOCK:
            return BlockLocation(names.get("dev") or None)
        case StorageType.DIR:
            return DirLocation(names.get("dir") or None)
        case StorageType.NETWORK:
            network = read_network(element, names, parts, place, found)
            if view is View.STATUS and "tlsFromConfig" in names:
                said = read_number(element, "tlsFromConfig", names["tlsFromConfig"])
                network = network._replace(tls_from_config=bool(said))
            return network
        case StorageType.VOLUME:
            return _read_volume(element, names, parts, view, place, found)
        case StorageType.NVME:
            return _read_nvme(element, names, parts, place, found)
        case StorageType.VHOSTUSER:
            return _read_vhost_user(element, names, parts, place, found)
        case StorageType.VHOSTVDPA:
            if "dev" not in names:
                refuse(element, "a vhostvdpa source needs a dev")
            return VhostVdpaLocation(names["dev"])


def _read_volume(
    element: Element, names: Names, parts: Parts, view: View, place: str, found: list[Foreign]
) -> VolumeLocation:
    pool, volume = names.get("pool"), names.get("volume")
    if pool is None and volume is None:  # libvirt: an empty drive
        return VolumeLocation("", "")
    if pool is None or volume is None:
        refuse(element, "a volume source needs a pool and a volume, both or neither")
    mode = _mode(element, "mode", names["mode"]) if "mode" in names else None
    actual: Location | None = None
    if view is View.STATUS and "actualType" in names:
        type = _type(element, "actualType", names["actualType"])
        if type is not StorageType.VOLUME:
            actual = read_location(element, type, names, parts, view, place, found)
    return VolumeLocation(pool, volume, mode, actual)


def _read_nvme(element: Element, names: Names, parts: Parts, place: str, found: list[Foreign]) -> NvmeLocation:
    if names.get("type") != "pci":
        refuse(element, "the type of an nvme source", ("pci",))
    if "namespace" not in names:
        refuse(element, "an nvme source needs a namespace")
    namespace = read_number(element, "namespace", names["namespace"], most=ULLONG_MAX)
    managed = _yes_no(element, "managed", names["managed"]) if "managed" in names else None
    if "address" not in parts:
        refuse(element, "an nvme source needs an <address>")
    return NvmeLocation(read_pci_address(parts["address"][0], f"{place}/address", found), namespace, managed)


def read_pci_address(element: Element, place: str, found: list[Foreign]) -> PciAddress:
    """A PCI function. Missing parts are 0; all of domain, bus and slot being 0 is how libvirt says "any"."""
    names = attributes(element, _PCI, place, found)
    children(element, _PCI_CHILDREN, place, found)
    address = PciAddress(
        *(
            read_number(element, f"{name} of <address>", names[name], base=0) if name in names else 0
            for name in ("domain", "bus", "slot", "function")
        )
    )
    if not address.domain and not address.bus and not address.slot:
        return address  # libvirt checks an address it is to choose itself no further
    for name, value, most in (
        ("bus", address.bus, _BUS_MAX),
        ("slot", address.slot, _SLOT_MAX),
        ("function", address.function, _FUNCTION_MAX),
    ):
        if value > most:
            refuse(element, f"{name} of <address> is {value:#x}, more than {most:#x}")
    return address


def _read_vhost_user(
    element: Element, names: Names, parts: Parts, place: str, found: list[Foreign]
) -> VhostUserLocation:
    if names.get("type") != "unix":
        refuse(element, "the type of a vhostuser source", ("unix",))
    if "path" not in names:
        refuse(element, "a vhostuser source needs a path")
    enabled, timeout = None, None
    if "reconnect" in parts:
        reconnect = parts["reconnect"][0]
        said = attributes(reconnect, _RECONNECT, f"{place}/reconnect", found)
        if "enabled" in said:
            enabled = _yes_no(reconnect, "enabled of <reconnect>", said["enabled"])
        if enabled:
            if "timeout" not in said:
                refuse(reconnect, "<reconnect enabled='yes'> needs a timeout")
            timeout = read_number(reconnect, "timeout of <reconnect>", said["timeout"])
    return VhostUserLocation(names["path"], enabled, timeout)
