"""Rules for one disk, for QEMU: what the disk is and what serves it. Where it sits is next door.

Source: libvirt 11.3.0 ``qemu/qemu_validate.c`` (``qemuValidateDomainDeviceDefDisk`` and below).
"""

import re
from collections.abc import Iterator

from diskchain.guest.disk import Disk
from diskchain.guest.terms import CacheMode, DiskBus, DiskDevice, IoMode
from diskchain.libvirtxml.validate.disk import REMOVABLE
from diskchain.libvirtxml.validate.domain_context import Surroundings
from diskchain.libvirtxml.validate.rule import DiskCheck, Problem, Rules
from diskchain.storage.encryption import EncryptionFormat
from diskchain.storage.location import FileLocation, VhostUserLocation, VhostVdpaLocation
from diskchain.storage.terms import Format

RULES: Rules[DiskCheck] = Rules()

_SERIAL = re.compile("[A-Za-z0-9_ .+-]*", re.ASCII)
_DIRECT = (CacheMode.NONE, CacheMode.DIRECTSYNC)
_SHARE_BACKING = (DiskBus.USB, DiskBus.VIRTIO, DiskBus.SCSI)
#: ``QEMU_BLOCK_IOTUNE_MAX``; how long a burst lasts is not bound by it.
_LIMIT_MOST = 1_000_000_000_000_000
_ONLY_DRIVER = "qemu"


@RULES.rule("driver-name")
def _driver(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.driver.name not in {None, _ONLY_DRIVER}:
        yield Problem(f"QEMU's disks have the driver {_ONLY_DRIVER}, not {disk.driver.name}", "driver", (_ONLY_DRIVER,))


@RULES.rule("serial-syntax")
def _serial(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.serial is not None and not _SERIAL.fullmatch(disk.serial):
        yield Problem("a serial is made of letters, digits, blanks and - _ . +", "serial")


@RULES.rule("copy-on-read")
def _copy_on_read(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if not disk.driver.copy_on_read:
        return
    if disk.readonly:
        yield Problem("copy_on_read writes, and the disk is read-only", "driver")
    elif disk.device in REMOVABLE or disk.device is DiskDevice.LUN:
        yield Problem(f"copy_on_read does not go with a {disk.device}", "driver", ("disk",))


@RULES.rule("lun-identity")
def _lun(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.device is not DiskDevice.LUN:
        return
    for name in ("wwn", "vendor", "product"):
        if getattr(disk, name) is not None:
            yield Problem(f"a lun has the {name} of the device that is passed through", name)


@RULES.rule("io-native-cache")
def _native(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.driver.io is IoMode.NATIVE and disk.driver.cache not in _DIRECT:
        yield Problem("io='native' needs a cache mode without the host's page cache", "driver", _DIRECT)


@RULES.rule("iotune-limit")
def _limits(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.iotune is None:
        return
    for name, value in disk.iotune.limits.items():
        if value > _LIMIT_MOST and not name.endswith("_length"):
            yield Problem(f"{name} is {value}, and QEMU's limits end at {_LIMIT_MOST}", f"iotune/{name}")


@RULES.rule("iotune-group")
def _group(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    tune = disk.iotune
    if tune is not None and tune.group_name and not tune.has_limits:
        yield Problem(f"no disk of the group {tune.group_name} has a limit", "iotune/group_name")


@RULES.rule("transient")
def _transient(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if not disk.transient:
        return
    if disk.is_empty:
        yield Problem("a transient disk cannot be empty", "transient")
    if disk.readonly:
        yield Problem("a transient disk cannot be read-only", "transient")
    if not isinstance(disk.source.location, FileLocation):
        yield Problem(
            f"a transient disk is a file, and this is of type {disk.source.location.type}", "source", ("file",)
        )
    if disk.device is not DiskDevice.DISK:
        yield Problem(f"a {disk.device} cannot be transient", "transient", ("disk",))
    if disk.share_backing and disk.bus not in _SHARE_BACKING:
        yield Problem(f"shareBacking does not go with {disk.bus}", "transient", _SHARE_BACKING)


@RULES.rule("shareable-format")
def _shareable(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if not disk.shared or disk.readonly:
        return
    encryption = disk.source.encryption
    if disk.source.format is not Format.RAW:
        yield Problem(f"several writers need raw, not {disk.source.format or 'an unknown format'}", "driver", ("raw",))
    elif encryption is not None and encryption.format is EncryptionFormat.LUKS:
        yield Problem("several writers cannot share a LUKS image", "shareable")


@RULES.rule("shared-memory")
def _shared_memory(disk: Disk, around: Surroundings) -> Iterator[Problem]:
    if (
        isinstance(disk.source.location, (VhostUserLocation, VhostVdpaLocation))
        and around.known
        and not around.shared_memory
    ):
        problem = f"a {disk.source.location.type} disk needs memory the host shares: <access mode='shared'/>"
        yield Problem(f"{problem} in <memoryBacking>")


@RULES.rule("vdpa-cache")
def _vdpa(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if isinstance(disk.source.location, VhostVdpaLocation) and disk.driver.cache not in _DIRECT:
        yield Problem("a vhostvdpa disk needs a cache mode without the host's page cache", "driver", _DIRECT)
