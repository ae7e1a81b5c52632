"""The order libvirt keeps a domain's disks in. Source: libvirt 11.3.0 (``virDomainDiskInsert``)."""

from collections.abc import Sequence

from diskchain.guest.disk import Disk
from diskchain.guest.target import target_index
from diskchain.guest.terms import DiskBus


def libvirt_order(disks: Sequence[Disk]) -> tuple[int, ...]:
    """Positions of ``disks``, as a document has them, in the order libvirt gives them.

    Disks of one bus stand together, where the first of them stood, sorted by the letters of their targets; names without
    an index come first. A bus nobody has named yet is a bus of its own: libvirt guesses it later.
    """
    buses: dict[DiskBus | None, list[int]] = {}
    for position, disk in enumerate(disks):
        buses.setdefault(disk.target.bus, []).append(position)
    for positions in buses.values():
        if len(positions) > 1:
            positions.sort(key=lambda position: _rank(disks[position]))
    return tuple(position for positions in buses.values() for position in positions)


def _rank(disk: Disk) -> int:
    index = target_index(disk.target.dev)
    return -1 if index is None else index
