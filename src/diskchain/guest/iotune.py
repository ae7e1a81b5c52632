"""Limits on a disk's throughput. Source: libvirt 11.3.0 ``<iotune>``. Knows no other module."""

from dataclasses import dataclass, fields
from typing import Final


@dataclass(frozen=True, slots=True)
class IoTune:
    """Limits: bytes and operations per second, bursts (``_max``) and how long they may last (seconds). 0: no limit.

    ``size_iops_sec``: bytes that count as one operation. Disks with the same ``group_name`` share their limits.
    """

    total_bytes_sec: int = 0
    read_bytes_sec: int = 0
    write_bytes_sec: int = 0
    total_iops_sec: int = 0
    read_iops_sec: int = 0
    write_iops_sec: int = 0
    total_bytes_sec_max: int = 0
    read_bytes_sec_max: int = 0
    write_bytes_sec_max: int = 0
    total_iops_sec_max: int = 0
    read_iops_sec_max: int = 0
    write_iops_sec_max: int = 0
    size_iops_sec: int = 0
    group_name: str | None = None
    total_bytes_sec_max_length: int = 0
    read_bytes_sec_max_length: int = 0
    write_bytes_sec_max_length: int = 0
    total_iops_sec_max_length: int = 0
    read_iops_sec_max_length: int = 0
    write_iops_sec_max_length: int = 0

    @property
    def has_limits(self) -> bool:
        """Whether anything but the group's name is set."""
        return any(self.limits.values())

    @property
    def limits(self) -> dict[str, int]:
        """Each limit under the name of its field, in libvirt's order."""
        return {name: getattr(self, name) for name in IOTUNE_NAMES if name != "group_name"}


#: The fields, which have the names and the order of libvirt's elements.
IOTUNE_NAMES: Final = tuple(each.name for each in fields(IoTune))
