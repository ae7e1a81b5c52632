"""Rules for the disks of one domain together, for QEMU.

Source: libvirt 11.3.0 ``qemu/qemu_validate.c`` (``qemuValidateDomainBlkdeviotune``).
"""

from collections.abc import Iterator, Sequence

from diskchain.guest.disk import Disk
from diskchain.libvirtxml.validate.rule import DiskProblem, DomainCheck, Problem, Rules
from diskchain.libvirtxml.validate.surroundings import Surroundings

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
