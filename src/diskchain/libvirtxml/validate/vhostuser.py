"""Rules for vhost-user disks, which another process serves: nearly everything else is that process's business.

Source: libvirt 11.3.0 ``conf/domain_validate.c`` (``virDomainDiskVhostUserValidate``).
"""

from collections.abc import Iterator

from diskchain.guest.disk import Disk
from diskchain.guest.terms import DiskBus, SnapshotPolicy
from diskchain.libvirtxml.validate.disk import has_limits
from diskchain.libvirtxml.validate.domain_context import Surroundings
from diskchain.libvirtxml.validate.rule import DiskCheck, Problem, Rules
from diskchain.storage.location import VhostUserLocation
from diskchain.storage.source import UNKNOWN

RULES: Rules[DiskCheck] = Rules()

_DRIVER = (
    "cache", "error_policy", "rerror_policy", "io", "ioeventfd", "copy_on_read", "discard", "iothread", "detect_zeroes",
)  # fmt: skip
_TEXTS = ("serial", "wwn", "vendor", "product")


def _is_vhost_user(disk: Disk) -> bool:
    return isinstance(disk.source.location, VhostUserLocation)


@RULES.rule("vhostuser-bus")
def _bus(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if _is_vhost_user(disk) and disk.bus is not DiskBus.VIRTIO:
        yield Problem(f"a vhostuser disk is on virtio, not on {disk.bus}", "target", ("virtio",))


@RULES.rule("vhostuser-snapshot")
def _snapshot(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if _is_vhost_user(disk) and disk.snapshot not in {None, SnapshotPolicy.NO}:
        yield Problem("a vhostuser disk has no snapshots", "", ("no",))


@RULES.rule("vhostuser-option")
def _options(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if not _is_vhost_user(disk):
        return
    for name in _DRIVER:
        if getattr(disk.driver, name) is not None:
            yield Problem(f"the driver's {name} does not go with a vhostuser disk", "driver")
    for name in _elements(disk):
        yield Problem(f"<{name.rpartition('/')[2]}> does not go with a vhostuser disk", name)


def _elements(disk: Disk) -> Iterator[str]:
    """The elements of ``disk`` that the process behind the socket would have to know."""
    source, geometry, blockio = disk.source, disk.geometry, disk.blockio
    present = {
        "driver/metadata_cache": source.metadata_cache is not None,
        "iotune": has_limits(disk.iotune),
        "backingStore": source.backing is not UNKNOWN,
        "source/encryption": source.encryption is not None,
        "source/auth": source.auth is not None,
        "readonly": source.readonly,
        "shareable": source.shared,
        "transient": disk.transient,
        "geometry": geometry is not None and all((geometry.cylinders, geometry.heads, geometry.sectors)),
        "blockio": blockio is not None and bool(blockio.logical_block_size or blockio.physical_block_size),
    }
    present |= {name: getattr(disk, name) is not None for name in _TEXTS}
    return (name for name, is_there in present.items() if is_there)
