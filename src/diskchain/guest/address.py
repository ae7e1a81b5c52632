"""Where in the guest a device sits: a union of small addresses, told apart by class (and by their ``type``).

Source: libvirt 11.3.0 (``conf/device_conf.c``). Knows only ``terms``.
"""

from dataclasses import dataclass
from typing import Literal

from diskchain.guest.terms import AddressType


@dataclass(frozen=True, slots=True)
class GuestPciAddress:
    """A PCI function of the guest. ``uid`` and ``fid`` are the identifiers of a zPCI device (s390)."""

    domain: int = 0
    bus: int = 0
    slot: int = 0
    function: int = 0
    multifunction: bool | None = None
    uid: int | None = None
    fid: int | None = None
    type: Literal[AddressType.PCI] = AddressType.PCI


@dataclass(frozen=True, slots=True)
class DriveAddress:
    """A place on an IDE, SCSI, SATA or floppy controller."""

    controller: int = 0
    bus: int = 0
    target: int = 0
    unit: int = 0
    type: Literal[AddressType.DRIVE] = AddressType.DRIVE


@dataclass(frozen=True, slots=True)
class UsbAddress:
    """A USB port: numbers joined by dots, one per hub on the way, at most four."""

    bus: int
    port: tuple[int, ...] = ()
    type: Literal[AddressType.USB] = AddressType.USB


@dataclass(frozen=True, slots=True)
class VirtioSerialAddress:
    """A port of a virtio serial controller. No disk sits there; libvirt's parser takes it all the same."""

    controller: int = 0
    bus: int = 0
    port: int = 0
    type: Literal[AddressType.VIRTIO_SERIAL] = AddressType.VIRTIO_SERIAL


@dataclass(frozen=True, slots=True)
class CcidAddress:
    """A slot of a smart card reader. No disk sits there; libvirt's parser takes it all the same."""

    controller: int = 0
    slot: int = 0
    type: Literal[AddressType.CCID] = AddressType.CCID


@dataclass(frozen=True, slots=True)
class SpaprVioAddress:
    """A register of the pSeries virtual bus; None: chosen by libvirt."""

    reg: int | None = None
    type: Literal[AddressType.SPAPR_VIO] = AddressType.SPAPR_VIO


@dataclass(frozen=True, slots=True)
class CcwAddress:
    """A channel device (s390); all 0 is how libvirt reads an address it is to choose."""

    cssid: int = 0
    ssid: int = 0
    devno: int = 0
    type: Literal[AddressType.CCW] = AddressType.CCW


@dataclass(frozen=True, slots=True)
class IsaAddress:
    """An ISA device. No disk sits there; libvirt's parser takes it all the same."""

    iobase: int = 0
    irq: int = 0
    type: Literal[AddressType.ISA] = AddressType.ISA


@dataclass(frozen=True, slots=True)
class DimmAddress:
    """A memory slot. No disk sits there; libvirt's parser takes it all the same."""

    slot: int = 0
    base: int = 0
    type: Literal[AddressType.DIMM] = AddressType.DIMM


@dataclass(frozen=True, slots=True)
class BareAddress:
    """An address that has a type and nothing else (``virtio-mmio``, ``unassigned``)."""

    type: AddressType


Address = (
    GuestPciAddress
    | DriveAddress
    | UsbAddress
    | VirtioSerialAddress
    | CcidAddress
    | SpaprVioAddress
    | CcwAddress
    | IsaAddress
    | DimmAddress
    | BareAddress
)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What every device has: its address, its alias, its place in the boot order.

    ``boot_order`` counts from 1, ``loadparm`` is for s390's boot loader; ``alias`` is libvirt's own in a live domain and
    the user's (``ua-…``) in a configuration; ``acpi_index`` counts from 1.
    """

    address: Address | None = None
    alias: str | None = None
    boot_order: int | None = None
    loadparm: str | None = None
    acpi_index: int | None = None
