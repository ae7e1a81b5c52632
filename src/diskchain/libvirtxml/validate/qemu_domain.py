"""Rules for the disks of one domain together, for QEMU. All in time linear in the number of disks.

Source: libvirt 11.3.0 ``qemu/qemu_validate.c`` (``qemuValidateDomainBlkdeviotune``), ``conf/domain_addr.c``.
"""

from collections.abc import Hashable, Iterator, Sequence

from diskchain.guest.address import CcwAddress, GuestPciAddress, UsbAddress
from diskchain.guest.disk import Disk
from diskchain.libvirtxml.validate.domain import repeated
from diskchain.libvirtxml.validate.domain_context import Surroundings
from diskchain.libvirtxml.validate.rule import DiskProblem, DomainCheck, Problem, Rules

RULES: Rules[DomainCheck] = Rules()


@RULES.rule("iotune-group")
def _groups(disks: Sequence[Disk], _around: Surroundings) -> Iterator[DiskProblem]:
    first: dict[str, Disk] = {}
    for position, disk in enumerate(disks):
        tune = disk.iotune
        if tune is None or not tune.group_name or not tune.has_limits:
            continue
        earlier = first.setdefault(tune.group_name, disk)
        if earlier.iotune != tune:
            problem = f"{earlier.target.dev} has other limits in the same group {tune.group_name}"
            yield DiskProblem(position, Problem(problem, "iotune"))


@RULES.rule("address-duplicate")
def _addresses(disks: Sequence[Disk], _around: Surroundings) -> Iterator[DiskProblem]:
    for position, earlier in repeated(disks, _place):
        yield DiskProblem(position, Problem(f"{earlier.target.dev} has the same address", "address"))


def _place(disk: Disk) -> Hashable | None:
    """What no two devices of a domain may share; None when libvirt is still to choose it."""
    match disk.info.address:
        case GuestPciAddress(domain, bus, slot, function) if (domain, bus, slot) != (0, 0, 0):
            return "pci", domain, bus, slot, function
        case UsbAddress(bus, port) if port:
            return "usb", bus, port
        case CcwAddress(cssid, ssid, devno) if (cssid, ssid, devno) != (0, 0, 0):
            return "ccw", cssid, ssid, devno
        case _:
            return None
