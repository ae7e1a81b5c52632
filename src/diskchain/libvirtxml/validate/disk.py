"""Rules for one disk, whatever the hypervisor. Those for luns and vhost-user disks are next door.

Source: libvirt 11.3.0 ``conf/domain_validate.c`` (``virDomainDiskDefValidate``).
"""

import re
from collections.abc import Iterator
from dataclasses import asdict

from diskchain.guest.address import BareAddress, DriveAddress
from diskchain.guest.disk import Disk
from diskchain.guest.driver import VirtioOptions
from diskchain.guest.iotune import IoTune
from diskchain.guest.terms import AddressType, DiskBus, DiskDevice, SgIo, StartupPolicy, Tray
from diskchain.libvirtxml.validate.domain_context import Surroundings
from diskchain.libvirtxml.validate.rule import DiskCheck, Problem, Rules
from diskchain.storage.location import BlockLocation, DirLocation, FileLocation, NvmeLocation, VolumeLocation
from diskchain.storage.source import layers
from diskchain.storage.terms import Format

RULES: Rules[DiskCheck] = Rules()

#: Buses whose devices sit on a controller at a drive address.
DRIVE_BUSES = frozenset({DiskBus.IDE, DiskBus.FDC, DiskBus.SCSI, DiskBus.SATA})
REMOVABLE = frozenset({DiskDevice.CDROM, DiskDevice.FLOPPY})

_HARD_DISK_NAMES = ("hd", "sd", "vd", "xvd", "ubd")
_FLOPPY_NAMES = ("fd",)
_LOCAL = (FileLocation, BlockLocation, DirLocation)
_WWN = re.compile("(?:0x)?[0-9a-fA-F]{16}", re.ASCII)
_PRINTABLE = re.compile("[ -~]*", re.ASCII)
#: Lengths of the fields of SCSI's INQUIRY data, and of ATA's model number.
_VENDOR_MOST, _SCSI_PRODUCT_MOST, _PRODUCT_MOST = 8, 16, 40

_TOTALS = tuple(f"{unit}_sec{suffix}" for suffix in ("", "_max") for unit in ("bytes", "iops"))


def has_limits(tune: IoTune | None) -> bool:
    """Whether there are limits, or a group that might have some."""
    return tune is not None and (tune.group_name is not None or tune.has_limits)


@RULES.rule("target-missing")
def _target(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if not disk.target.dev:
        yield Problem("there is no <target dev='…'/>, by which the disk is named")


@RULES.rule("target-name")
def _target_name(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    prefixes = _FLOPPY_NAMES if disk.device is DiskDevice.FLOPPY else _HARD_DISK_NAMES
    if disk.target.dev and disk.device is not DiskDevice.CDROM and not disk.target.dev.startswith(prefixes):
        yield Problem(f"{disk.target.dev} is no name of a {disk.device}", "target", tuple(f"{p}…" for p in prefixes))


@RULES.rule("source-missing")
def _source(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    location = disk.source.location
    if disk.device not in REMOVABLE and isinstance(location, _LOCAL) and not location.path:
        yield Problem(f"a {disk.device} needs a source; only cdrom and floppy may be empty", "source")


@RULES.rule("sgio-unfiltered")
def _sgio(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.sgio is SgIo.UNFILTERED:
        yield Problem("Linux no longer has unfiltered SCSI commands", "", ("filtered",))


@RULES.rule("iotune-total")
def _totals(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    tune = disk.iotune
    if tune is None:
        return
    limits = tune.limits
    for what in _TOTALS:
        if limits[f"total_{what}"] and (limits[f"read_{what}"] or limits[f"write_{what}"]):
            yield Problem(f"total_{what} excludes read_{what} and write_{what}", f"iotune/total_{what}")


@RULES.rule("address-type")
def _address(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    address = disk.info.address
    if address is None or address.type is AddressType.UNASSIGNED:
        return
    if disk.bus in DRIVE_BUSES and not isinstance(address, DriveAddress):
        yield Problem(f"a disk on {disk.bus} has no address of type {address.type}", "address", ("drive",))


@RULES.rule("address-unassigned")
def _unassigned(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if isinstance(disk.info.address, BareAddress) and disk.info.address.type is AddressType.UNASSIGNED:
        yield Problem("only host devices can be left without an address", "address")


@RULES.rule("virtio-only")
def _virtio(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.bus is DiskBus.VIRTIO:
        return
    if disk.model is not None:
        yield Problem(f"the model {disk.model} is for virtio, not for {disk.bus}", "", ("virtio",))
    driver = disk.driver
    said = {name: getattr(driver, name) for name in ("queues", "queue_size", "event_idx", "ioeventfd")}
    if driver.virtio != VirtioOptions():
        said |= asdict(driver.virtio)
    for name, value in said.items():
        if value is not None:
            yield Problem(f"the driver's {name} is for virtio, not for {disk.bus}", "driver", ("virtio",))


@RULES.rule("nvme-namespace")
def _nvme(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if isinstance(disk.source.location, NvmeLocation) and disk.source.location.namespace == 0:
        yield Problem("namespaces of an NVMe device count from 1", "source")


@RULES.rule("seclabel-no-relabel")
def _seclabel(disk: Disk, around: Surroundings) -> Iterator[Problem]:
    if not around.fixed_labels:
        return
    for number, layer in enumerate(layers(disk.source)):
        for label in layer.seclabels:
            if label.model in around.fixed_labels:
                place = f"{'backingStore/' * number}source/seclabel"
                yield Problem(f"the domain's {label.model} label has relabel='no', so no image can have its own", place)


@RULES.rule("tray-device")
def _tray(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.target.tray is Tray.OPEN and disk.device not in REMOVABLE:
        yield Problem(f"a {disk.device} has no tray", "target", ("cdrom", "floppy"))


@RULES.rule("vendor-syntax")
def _vendor(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.vendor is not None:
        yield from _printable("vendor", disk.vendor, _VENDOR_MOST)


@RULES.rule("product-syntax")
def _product(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.product is not None:
        yield from _printable(
            "product", disk.product, _SCSI_PRODUCT_MOST if disk.bus is DiskBus.SCSI else _PRODUCT_MOST
        )


def _printable(name: str, text: str, most: int) -> Iterator[Problem]:
    if not _PRINTABLE.fullmatch(text):
        yield Problem(f"the {name} holds something other than printable ASCII", name)
    if len(text.encode()) > most:
        yield Problem(f"the {name} has {len(text.encode())} characters, and {most} fit", name)


@RULES.rule("floppy-bus")
def _floppy(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.device is DiskDevice.FLOPPY and disk.bus is not DiskBus.FDC:
        yield Problem(f"a floppy is on fdc, not on {disk.bus}", "target", ("fdc",))
    elif disk.device is not DiskDevice.FLOPPY and disk.bus is DiskBus.FDC:
        yield Problem(f"fdc has floppies, and this is a {disk.device}", "target")


@RULES.rule("removable-bus")
def _removable(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.target.removable is None or disk.bus is DiskBus.USB:
        return
    if disk.bus is not DiskBus.SCSI or disk.device is not DiskDevice.DISK:
        yield Problem(f"removable does not go with a {disk.device} on {disk.bus}", "target", ("usb", "scsi disk"))


@RULES.rule("startup-policy-source")
def _startup(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    location = disk.source.location
    if disk.startup_policy is not None and not isinstance(location, (*_LOCAL, VolumeLocation)):
        yield Problem(
            f"startupPolicy does not go with a source of type {location.type}",
            "source",
            ("file", "block", "dir", "volume"),
        )


@RULES.rule("startup-policy-requisite")
def _requisite(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.startup_policy is StartupPolicy.REQUISITE and disk.device not in REMOVABLE:
        yield Problem("only cdrom and floppy can be requisite", "source", ("mandatory", "optional"))


@RULES.rule("wwn-syntax")
def _wwn(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.wwn is not None and not _WWN.fullmatch(disk.wwn):
        yield Problem("a wwn is 16 hex digits, with or without 0x before them", "wwn")


@RULES.rule("discard-no-unref")
def _discard_no_unref(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if not disk.driver.discard_no_unref:
        return
    if disk.source.format is not Format.QCOW2:
        yield Problem("discard_no_unref is for qcow2", "driver", ("qcow2",))
    if disk.readonly:
        yield Problem("discard_no_unref is for disks that can be written", "driver")


@RULES.rule("iothread-conflict")
def _iothreads(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.driver.iothread is not None and disk.driver.iothreads:
        yield Problem("iothread and <iothreads> exclude each other", "driver")


@RULES.rule("throttle-with-iotune")
def _throttle(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.throttle_filters and has_limits(disk.iotune):
        yield Problem("<throttlefilters> and <iotune> exclude each other", "throttlefilters")


@RULES.rule("throttle-cdrom")
def _throttled_cdrom(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.throttle_filters and disk.device is DiskDevice.CDROM:
        yield Problem("a cdrom cannot be throttled by filters", "throttlefilters")


@RULES.rule("throttle-group-unknown")
def _throttle_group(disk: Disk, around: Surroundings) -> Iterator[Problem]:
    for number, group in enumerate(disk.throttle_filters, start=1):
        if around.known and group not in around.throttle_groups:
            place = f"throttlefilters/throttlefilter[{number}]"
            yield Problem(f"the domain has no throttle group {group}", place, tuple(sorted(around.throttle_groups)))
