"""Rules for one disk, for QEMU: what goes with which bus, and which names and addresses there are.

Source: libvirt 11.3.0 ``qemu/qemu_validate.c`` (``qemuValidateDomainDeviceDefDiskFrontend``,
``qemuValidateDomainDeviceDefAddressDrive``).
"""

import re
from collections.abc import Iterator

from diskchain.guest.address import DriveAddress, GuestPciAddress
from diskchain.guest.disk import Disk
from diskchain.guest.target import target_index
from diskchain.guest.terms import AddressType, DiskBus, DiskDevice
from diskchain.libvirtxml.validate.disk import has_limits
from diskchain.libvirtxml.validate.domain_context import Surroundings
from diskchain.libvirtxml.validate.rule import DiskCheck, Problem, Rules

RULES: Rules[DiskCheck] = Rules()

_IDE, _SCSI, _SATA, _VIRTIO = DiskBus.IDE, DiskBus.SCSI, DiskBus.SATA, DiskBus.VIRTIO
_WWN_BUSES = (_IDE, _SCSI)
_PRODUCT_BUSES = (_IDE, _SATA, _SCSI)
_LUN_BUSES = (_SCSI, _VIRTIO)
_VIRTIO_ADDRESSES = (AddressType.PCI, AddressType.CCW, AddressType.VIRTIO_MMIO, AddressType.VIRTIO_S390)
_PARTITION = re.compile("[0-9]+", re.ASCII)

#: Parts of a drive address that must be 0.
_ZERO = {
    _IDE: ("controller", "target"),
    _SATA: ("bus", "target"),
    DiskBus.FDC: ("controller", "bus", "target"),
    _SCSI: ("bus",),
}


@RULES.rule("target-partition")
def _target(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    dev = disk.target.dev
    digits = _PARTITION.search(dev)
    if target_index(dev) is not None and digits is not None and digits[0] != "0":
        yield Problem(f"{dev} is the name of a partition, not of a disk", "target", (dev[: digits.start()],))


@RULES.rule("target-index")
def _no_index(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.target.dev and disk.info.address is not None and target_index(disk.target.dev) is None:
        yield Problem(f"{disk.target.dev} is no name QEMU's disks can have", "target", ("hda", "sdb", "vdc", "…"))


@RULES.rule("geometry-bus")
def _geometry(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    geometry = disk.geometry
    if geometry is None or not all((geometry.cylinders, geometry.heads, geometry.sectors)):
        return
    if disk.bus in {DiskBus.USB, DiskBus.SD}:
        yield Problem(f"a disk on {disk.bus} has no geometry", "geometry")
    elif geometry.translation is not None and disk.bus is not _IDE:
        yield Problem(f"trans is for ide, not for {disk.bus}", "geometry", ("ide",))


@RULES.rule("serial-bus")
def _serial(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.serial is None:
        return
    if disk.bus is DiskBus.SD:
        yield Problem("a disk on sd has no serial", "serial")
    elif disk.bus is _SCSI and disk.device is DiskDevice.LUN:
        yield Problem("a lun has the serial of the device that is passed through", "serial")


@RULES.rule("cdrom-bus")
def _cdrom(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.device is DiskDevice.CDROM and disk.bus in {_VIRTIO, DiskBus.SD}:
        yield Problem(f"nothing on {disk.bus} can be ejected", "target", ("ide", "sata", "scsi", "usb"))


@RULES.rule("wwn-bus")
def _wwn(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.wwn is not None and disk.bus not in _WWN_BUSES:
        yield Problem(f"a disk on {disk.bus} has no wwn", "wwn", _WWN_BUSES)


@RULES.rule("vendor-bus")
def _vendor(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.vendor is not None and disk.bus is not _SCSI:
        yield Problem(f"a disk on {disk.bus} has no vendor", "vendor", (_SCSI,))


@RULES.rule("product-bus")
def _product(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.product is not None and disk.bus not in _PRODUCT_BUSES:
        yield Problem(f"a disk on {disk.bus} has no product", "product", _PRODUCT_BUSES)


@RULES.rule("lun-bus")
def _lun(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.device is DiskDevice.LUN and disk.bus not in _LUN_BUSES:
        yield Problem(f"a lun is on scsi or virtio, not on {disk.bus}", "target", _LUN_BUSES)


@RULES.rule("rotation-rate")
def _rotation(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.target.rotation_rate is None:
        return
    if disk.bus not in _PRODUCT_BUSES:
        yield Problem(f"a disk on {disk.bus} has no rotation rate", "target", _PRODUCT_BUSES)
    elif disk.device is not DiskDevice.DISK:
        yield Problem(f"a {disk.device} has no rotation rate", "target", ("disk",))


@RULES.rule("usb-empty")
def _usb(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.bus is DiskBus.USB and disk.is_empty:
        yield Problem("a drive on usb cannot be empty", "target")


@RULES.rule("address-bus")
def _address(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    address = disk.info.address
    if address is None or address.type is AddressType.UNASSIGNED:
        return
    if disk.bus is DiskBus.USB and address.type is not AddressType.USB:
        yield Problem(f"a disk on usb has no address of type {address.type}", "address", ("usb",))
    elif disk.bus is _VIRTIO and address.type not in _VIRTIO_ADDRESSES:
        yield Problem(f"a disk on virtio has no address of type {address.type}", "address", _VIRTIO_ADDRESSES)


@RULES.rule("address-range")
def _range(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    address, bus = disk.info.address, disk.bus
    if bus is None or not isinstance(address, DriveAddress):
        return
    for name in _ZERO.get(bus, ()):
        if getattr(address, name):
            whence = "address" if disk.info.address is not None else "target"
            yield Problem(f"the {name} of a disk on {bus} is 0, not {getattr(address, name)}", whence, ("0",))


@RULES.rule("acpi-index-bus")
def _acpi(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    address = disk.info.address
    if disk.info.acpi_index is not None and address is not None and not isinstance(address, GuestPciAddress):
        yield Problem("an ACPI index is for PCI devices", "acpi", ("virtio",))


@RULES.rule("readonly-bus")
def _readonly(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.device is DiskDevice.DISK and disk.readonly and disk.bus in {_IDE, _SATA}:
        yield Problem(f"a disk on {disk.bus} cannot be read-only", "readonly", ("virtio", "scsi", "usb"))


@RULES.rule("iotune-bus")
def _iotune(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.bus is DiskBus.SD and has_limits(disk.iotune):
        yield Problem("a disk on sd cannot be throttled", "iotune")
