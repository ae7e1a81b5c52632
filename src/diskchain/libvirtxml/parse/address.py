"""``<address>``, ``<boot>``, ``<alias>`` and ``<acpi>``: what every device has.

Source: libvirt 11.3.0 (``virDomainDeviceInfoParseXML``, ``conf/device_conf.c``).
"""

import re
from collections.abc import Callable
from functools import lru_cache

from diskchain.guest.address import (
    Address,
    BareAddress,
    CcidAddress,
    CcwAddress,
    DeviceInfo,
    DimmAddress,
    DriveAddress,
    GuestPciAddress,
    IsaAddress,
    SpaprVioAddress,
    UsbAddress,
    VirtioSerialAddress,
)
from diskchain.guest.terms import AddressType
from diskchain.libvirtxml.markup.document import Element, refuse
from diskchain.libvirtxml.markup.scalars import SWITCH, ULLONG_MAX, one_of, read_number
from diskchain.libvirtxml.markup.unknown import attributes, children
from diskchain.libvirtxml.parse.location import read_pci_address
from diskchain.libvirtxml.view import View
from diskchain.libvirtxml.vocabulary import ADDRESS_TYPES
from diskchain.storage.foreign import Foreign

Parts = dict[str, list[Element]]

_ORDER = frozenset({"order", "loadparm"})
_NAME = frozenset({"name"})
_INDEX = frozenset({"index"})
_LOADPARM = re.compile("[A-Z0-9. ]{1,8}", re.ASCII)
_USER_ALIAS = re.compile("ua-[A-Za-z0-9_-]*", re.ASCII)

_USUAL_PCI = re.compile(
    " type=pci domain=0x([0-9a-f]{4}) bus=0x([0-9a-f]{2}) slot=0x([01][0-9a-f]) function=0x([0-7])", re.ASCII
)

#: libvirt takes at most four hubs on the way (``VIR_DOMAIN_DEVICE_USB_MAX_PORT_DEPTH``).
_USB_DEPTH = 4
# CCW: the channel subsystem and the set's number end here (``virDomainDeviceCCWAddressIsValid``).
_CSSID_MAX, _SSID_MAX, _DEVNO_MAX = 254, 3, 0xFFFF

_switch = one_of(SWITCH)
_type = one_of(ADDRESS_TYPES)


def read_info(parts: Parts, view: View, found: list[Foreign]) -> DeviceInfo:
    """Address, alias, boot order and ACPI index from the device's children."""
    order, loadparm = None, None
    if "boot" in parts:
        order, loadparm = _read_boot(parts["boot"][0], found)
    alias = None
    if "alias" in parts:
        alias = attributes(parts["alias"][0], _NAME, "alias", found).get("name") or None
        if alias is not None and not view.running and not _USER_ALIAS.fullmatch(alias):
            alias = None
    acpi_index = None
    if "acpi" in parts:
        acpi = parts["acpi"][0]
        said = attributes(acpi, _INDEX, "acpi", found).get("index")
        acpi_index = None if said is None else _from_one(acpi, "index of <acpi>", said)
    address = read_address(parts["address"][0], found) if "address" in parts else None
    return DeviceInfo(address, alias, order, loadparm, acpi_index)


def _from_one(element: Element, name: str, text: str) -> int:
    value = read_number(element, name, text)
    if value == 0:
        refuse(element, f"{name} is 0; it counts from 1")
    return value


def _read_boot(element: Element, found: list[Foreign]) -> tuple[int, str | None]:
    names = attributes(element, _ORDER, "boot", found)
    if "order" not in names:
        refuse(element, "<boot> has no order")
    loadparm = names["loadparm"].upper() if "loadparm" in names else None
    if loadparm is not None and not _LOADPARM.fullmatch(loadparm):
        refuse(element, "loadparm of <boot> is not 1 to 8 letters, digits, dots and blanks")
    return _from_one(element, "order of <boot>", names["order"]), loadparm


def read_address(element: Element, found: list[Foreign]) -> Address:
    """Where the device sits."""
    said = element.get("type")
    if said is None:
        refuse(element, "<address> has no type", tuple(ADDRESS_TYPES))
    type = _type(element, "the type of <address>", said)
    if type is AddressType.PCI:
        usual = None if len(element) else _usual_pci(tuple(element.items()))
        return _read_pci(element, found) if usual is None else usual
    if type is AddressType.VIRTIO_S390:
        refuse(element, "the virtio-s390 bus has no address")
    read = _READERS.get(type)
    return BareAddress(type) if read is None else read(element, _Names(element, found))


class _Names:
    """The attributes of an address, read as numbers; those never asked for are strangers no more than any other."""

    def __init__(self, element: Element, found: list[Foreign]) -> None:
        known = _KNOWN.get(element.get("type") or "", frozenset({"type"}))
        self._element = element
        self._names = attributes(element, known, "address", found)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def text(self, name: str) -> str | None:
        return self._names.get(name)

    def number(self, name: str, base: int = 10, most: int = 0xFFFF_FFFF) -> int:
        """The attribute as a number; 0 when it is missing."""
        if name not in self._names:
            return 0
        return read_number(self._element, f"{name} of <address>", self._names[name], base, most)


@lru_cache(maxsize=1024)
def _usual_pci(attributes: tuple[tuple[str, str], ...]) -> Address | None:
    """An address as libvirt writes it, read once for all who have it; None: read it in full."""
    match = _USUAL_PCI.fullmatch("".join(f" {name}={text}" for name, text in attributes))
    if match is None:
        return None
    domain, bus, slot, function = (int(digits, 16) for digits in match.groups())
    return GuestPciAddress(domain, bus, slot, function)


def _read_pci(element: Element, found: list[Foreign]) -> Address:
    place = "address"
    host = read_pci_address(element, place, found)
    multi = element.get("multifunction")
    multifunction = None if multi is None else _switch(element, "multifunction of <address>", multi)
    uid, fid = None, None
    for zpci in children(element, frozenset({"zpci"}), place, []).get("zpci", ())[:1]:
        names = attributes(zpci, frozenset({"uid", "fid"}), f"{place}/zpci", found)
        uid = read_number(zpci, "uid of <zpci>", names["uid"], base=0, most=0xFFFF) if "uid" in names else None
        fid = read_number(zpci, "fid of <zpci>", names["fid"], base=0) if "fid" in names else None
    return GuestPciAddress(host.domain, host.bus, host.slot, host.function, multifunction, uid, fid)


def _read_drive(_element: Element, names: _Names) -> Address:
    return DriveAddress(names.number("controller"), names.number("bus"), names.number("target"), names.number("unit"))


def _read_usb(element: Element, names: _Names) -> Address:
    text = names.text("port")
    if text is None:
        return UsbAddress(names.number("bus"))
    steps = text.split(".")
    if len(steps) > _USB_DEPTH:
        refuse(element, f"port of <address> has more than {_USB_DEPTH} parts")
    ports = tuple(read_number(element, "port of <address>", step) for step in steps)
    return UsbAddress(names.number("bus"), ports)


def _read_ccw(element: Element, names: _Names) -> Address:
    given = [name in names for name in ("cssid", "ssid", "devno")]
    if any(given) and not all(given):
        refuse(element, "an <address> of type ccw needs cssid, ssid and devno, all or none")
    return CcwAddress(
        names.number("cssid", 0, _CSSID_MAX), names.number("ssid", 0, _SSID_MAX), names.number("devno", 0, _DEVNO_MAX)
    )


def _read_spapr(_element: Element, names: _Names) -> Address:
    return SpaprVioAddress(names.number("reg", 16, ULLONG_MAX) if "reg" in names else None)


def _read_dimm(element: Element, names: _Names) -> Address:
    if "slot" not in names:
        refuse(element, "an <address> of type dimm needs a slot")
    return DimmAddress(names.number("slot"), names.number("base", 16, ULLONG_MAX))


_READERS: dict[AddressType, Callable[[Element, _Names], Address]] = {
    AddressType.DRIVE: _read_drive,
    AddressType.USB: _read_usb,
    AddressType.VIRTIO_SERIAL: lambda _, names: VirtioSerialAddress(
        names.number("controller"), names.number("bus"), names.number("port")
    ),
    AddressType.CCID: lambda _, names: CcidAddress(names.number("controller"), names.number("slot")),
    AddressType.SPAPR_VIO: _read_spapr,
    AddressType.CCW: _read_ccw,
    AddressType.ISA: lambda _, names: IsaAddress(names.number("iobase", 16), names.number("irq", 16)),
    AddressType.DIMM: _read_dimm,
}
_KNOWN: dict[str, frozenset[str]] = {
    type: frozenset({"type", *names.split()})
    for type, names in {
        "drive": "controller bus target unit",
        "usb": "bus port",
        "virtio-serial": "controller bus port",
        "ccid": "controller slot",
        "spapr-vio": "reg",
        "ccw": "cssid ssid devno",
        "isa": "iobase irq",
        "dimm": "slot base",
    }.items()
}
