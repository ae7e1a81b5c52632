"""A disk's ``<driver>`` as the policy of its block nodes, which ``qemu`` cannot know: it knows no guests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from diskchain.errors import StorageTimeout
from diskchain.qemu.policy import NodePolicy, ThrottleFilter, ThrottleGroup
from diskchain.storage.location import BlockLocation
from diskchain.storage.source import Source
from diskchain.system.cdrom import is_cdrom
from diskchain.system.deadline import DEFAULT_DEADLINE, within

if TYPE_CHECKING:
    from diskchain.guest.disk import Disk
    from diskchain.guest.iotune import IoTune

#: ``cache=`` as QEMU's two flags of a node, ``direct`` and ``no-flush``.
_CACHE: Final = {
    "none": (True, False),
    "directsync": (True, False),
    "writeback": (False, False),
    "writethrough": (False, False),
    "unsafe": (False, True),
}


@dataclass(frozen=True, slots=True)
class NodeDisk:
    """One disk to build nodes for. ``source`` is None for an empty drive; ``throttle_groups`` have no nodes yet.

    ``numbered``: it takes numbers, as all do but those without any node. ``listed``: its nodes are on QEMU's command line.
    """

    name: str
    source: Source | None
    policy: NodePolicy = field(default_factory=NodePolicy)
    throttle_groups: tuple[str, ...] = ()
    numbered: bool = True
    listed: bool = True


def _is_cdrom(source: Source, seconds: float) -> bool:
    """Whether the image is a block device that answers as a CD-ROM drive."""
    path = source.location.path if isinstance(source.location, BlockLocation) else None
    if not path:
        return False
    try:
        return within(seconds, path, lambda: is_cdrom(path))
    except StorageTimeout:
        return False


def _limits(group: "IoTune") -> tuple[tuple[str, int], ...]:
    """In QEMU's words; what is 0 is no limit."""
    return tuple((_limit_name(name), value) for name, value in group.limits.items() if value)


def _limit_name(name: str) -> str:
    """``total_bytes_sec_max_length`` as ``bps-total-max-length``, ``size_iops_sec`` as ``iops-size``."""
    which, unit, _, *rest = name.split("_")
    return "-".join(("bps" if unit == "bytes" else unit, which, *rest))


def has_nodes(disk: "Disk") -> bool:
    """Whether libvirt (9.0, 11.3) makes block nodes of it: it does not of SD cards, which QEMU knows as drives alone."""
    return disk.target.bus != "sd"


def is_listed(disk: "Disk") -> bool:
    """Whether its nodes are on QEMU's command line. What shares its image joins the running QEMU, on an overlay of its own."""
    running = disk.source.chain_index is not None
    return has_nodes(disk) and (running or not (disk.transient and disk.share_backing))


def policy_of(disk: "Disk", groups: "Mapping[str, IoTune]", seconds: float = DEFAULT_DEADLINE) -> NodePolicy:
    """How the nodes of ``disk`` are opened; ``groups``: the throttle groups of its domain. ``seconds``: how long its device may take to answer."""
    driver, runtime = disk.driver, disk.runtime
    direct, no_flush = _CACHE[driver.cache] if driver.cache else (None, False)
    if direct is None and disk.shared and not disk.readonly:
        direct = True  # libvirt's choice for disks that others write, too
    filters = () if runtime is None else tuple(ThrottleFilter(each.group, each.node) for each in runtime.filter_nodes)
    return NodePolicy(
        direct=direct,
        no_flush=no_flush,
        aio=driver.io.value if driver.io else None,
        discard=driver.discard.value if driver.discard else None,
        detect_zeroes=driver.detect_zeroes.value if driver.detect_zeroes else None,
        discard_no_unref=driver.discard_no_unref,
        copy_on_read=disk.target.dev if driver.copy_on_read else None,
        throttle_filters=filters,
        throttle_groups=tuple(
            ThrottleGroup(name, _limits(groups[name]))
            for name in dict.fromkeys((*disk.throttle_filters, *(each.group for each in filters)))
            if name in groups
        ),
        floppy=disk.device == "floppy",
        host_cdrom=disk.device == "cdrom" and _is_cdrom(disk.source, seconds),
    )
