"""Rules for the disks of one domain together, whatever the hypervisor: names and addresses are given once.

Source: libvirt 11.3.0 ``conf/domain_validate.c`` (``virDomainDefDuplicateDiskInfoValidate``,
``virDomainDefDuplicateDriveAddressesValidate``), ``conf/domain_postparse.c`` (``virDomainDiskDefAssignAddress``).
All in time linear in the number of disks.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence

from diskchain.guest.address import DriveAddress
from diskchain.guest.disk import Disk
from diskchain.guest.target import target_index
from diskchain.guest.terms import DiskBus
from diskchain.libvirtxml.validate.domain_context import Surroundings
from diskchain.libvirtxml.validate.rule import DiskProblem, DomainCheck, Problem, Rules

RULES: Rules[DomainCheck] = Rules()

#: ``USER_ALIAS_PREFIX``.
USER_ALIAS = "ua-"


def repeated(disks: Sequence[Disk], key: Callable[[Disk], Hashable | None]) -> Iterator[tuple[int, Disk]]:
    """Each disk whose key another one before it has, with that one."""
    first: dict[Hashable, Disk] = {}
    for position, disk in enumerate(disks):
        value = key(disk)
        if value is None:
            continue
        earlier = first.setdefault(value, disk)
        if earlier is not disk:
            yield position, earlier


@RULES.rule("target-duplicate")
def _targets(disks: Sequence[Disk], _around: Surroundings) -> Iterator[DiskProblem]:
    for position, earlier in repeated(disks, lambda disk: disk.target.dev or None):
        yield DiskProblem(position, Problem(f"another disk is called {earlier.target.dev}", "target"))


@RULES.rule("address-duplicate")
def _addresses(disks: Sequence[Disk], _around: Surroundings) -> Iterator[DiskProblem]:
    for position, earlier in repeated(disks, _place):
        yield DiskProblem(position, Problem(f"{earlier.target.dev} has the same address", "address"))


def _place(disk: Disk) -> Hashable | None:
    """Where on its bus's controllers a disk is."""
    address = disk.info.address
    return (disk.bus, address) if isinstance(address, DriveAddress) else None


@RULES.rule("address-hostdev")
def _hostdevs(disks: Sequence[Disk], around: Surroundings) -> Iterator[DiskProblem]:
    if not around.hostdevs:
        return
    for position, disk in enumerate(disks):
        if disk.bus is DiskBus.SCSI and disk.info.address in around.hostdevs:
            yield DiskProblem(position, Problem("a SCSI host device has the same address", "address"))


@RULES.rule("target-index")
def _indexes(disks: Sequence[Disk], _around: Surroundings) -> Iterator[DiskProblem]:
    for position, disk in enumerate(disks):
        if disk.target.dev and disk.info.address is None and target_index(disk.target.dev) is None:
            problem = f"the address cannot be told from the name {disk.target.dev}, and there is no <address>"
            yield DiskProblem(position, Problem(problem, "target"))


@RULES.rule("boot-order-duplicate")
def _boot_orders(disks: Sequence[Disk], _around: Surroundings) -> Iterator[DiskProblem]:
    for position, earlier in repeated(disks, lambda disk: disk.info.boot_order):
        problem = f"{earlier.target.dev} has the same place {earlier.info.boot_order} in the boot order"
        yield DiskProblem(position, Problem(problem, "boot"))


@RULES.rule("alias-duplicate")
def _aliases(disks: Sequence[Disk], _around: Surroundings) -> Iterator[DiskProblem]:
    for position, earlier in repeated(disks, _users_alias):
        yield DiskProblem(position, Problem(f"{earlier.target.dev} has the same alias", "alias"))


def _users_alias(disk: Disk) -> str | None:
    """An alias that libvirt keeps; it replaces others by its own."""
    alias = disk.info.alias
    return alias if alias is not None and alias.startswith(USER_ALIAS) else None
