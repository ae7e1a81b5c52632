"""``<boot>``, ``<alias>``, ``<acpi>`` and ``<address>``. Source: libvirt 11.3.0 (``virDomainDeviceInfoFormat``)."""

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
from diskchain.libvirtxml.format.style import Style
from diskchain.libvirtxml.markup.writer import attribute, element, switch

#: What a user's own alias starts with; all others are libvirt's and belong to the running domain.
USER_ALIAS = "ua-"


def boot_element(pad: str, info: DeviceInfo) -> str:
    """The place in the boot order."""
    if not info.boot_order:
        return ""
    return f"{pad}<boot order='{info.boot_order}'{attribute('loadparm', info.loadparm)}/>\n"


def alias_element(pad: str, info: DeviceInfo, style: Style) -> str:
    """The device's name in the hypervisor."""
    if info.alias is None or (style.inactive and not info.alias.startswith(USER_ALIAS)):
        return ""
    return f"{pad}<alias{attribute('name', info.alias)}/>\n"


def acpi_element(pad: str, info: DeviceInfo) -> str:
    """The ACPI index."""
    return f"{pad}<acpi index='{info.acpi_index}'/>\n" if info.acpi_index else ""


def address_element(pad: str, address: Address | None) -> str:
    """Where the device sits."""
    if address is None:
        return ""
    start = f" type='{address.type}'"
    if isinstance(address, GuestPciAddress):
        return _pci(pad, start, address)
    if isinstance(address, DriveAddress):
        place = (
            f" controller='{address.controller}' bus='{address.bus}' target='{address.target}' unit='{address.unit}'"
        )
    elif isinstance(address, UsbAddress):
        port = ".".join(map(str, address.port))
        place = f" bus='{address.bus}'" + (f" port='{port}'" if any(address.port) else "")
    else:
        place = _rarer(address)
    return element(pad, "address", start + place)


def _pci(pad: str, start: str, address: GuestPciAddress) -> str:
    place = ""
    if address.domain or address.bus or address.slot:
        place = (
            f" domain='0x{address.domain:04x}' bus='0x{address.bus:02x}' slot='0x{address.slot:02x}'"
            f" function='0x{address.function:x}'"
        )
    zpci = ""
    if address.uid is not None or address.fid is not None:
        zpci = f"{pad}  <zpci uid='0x{address.uid or 0:04x}' fid='0x{address.fid or 0:08x}'/>\n"
    return element(pad, "address", start + place + attribute("multifunction", switch(address.multifunction)), zpci)


def _rarer(
    address: VirtioSerialAddress | CcidAddress | SpaprVioAddress | CcwAddress | IsaAddress | DimmAddress | BareAddress,
) -> str:
    match address:
        case VirtioSerialAddress():
            return f" controller='{address.controller}' bus='{address.bus}' port='{address.port}'"
        case CcidAddress():
            return f" controller='{address.controller}' slot='{address.slot}'"
        case SpaprVioAddress():
            return "" if address.reg is None else f" reg='0x{address.reg:08x}'"
        case CcwAddress():
            return f" cssid='0x{address.cssid:x}' ssid='0x{address.ssid:x}' devno='0x{address.devno:04x}'"
        case IsaAddress():
            iobase = f" iobase='0x{address.iobase:x}'" if address.iobase else ""
            return iobase + (f" irq='0x{address.irq:x}'" if address.irq else "")
        case DimmAddress():
            return f" slot='{address.slot}'" + (f" base='0x{address.base:x}'" if address.base else "")
        case BareAddress():
            return ""
