"""What an audit of rights is about: domains, the files they use, and what the host looks like. Values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from diskchain.access.actor import Actor
from diskchain.access.evidence import Present
from diskchain.access.grants.journal_schema import Grant, Hold
from diskchain.access.kernel.path_facts import Inode
from diskchain.access.requirements import Need
from diskchain.access.security.apparmor_profile import Profile
from diskchain.access.security.libvirt_labels import DomainLabel
from diskchain.storage.operation import Start
from diskchain.storage.source import Source

_START: Final = Start()


@dataclass(frozen=True, slots=True)
class UsedDisk:
    """One disk's chain, as far as it is known, and what starting the domain does to it."""

    chain: Source
    start: Start = _START


@dataclass(frozen=True, slots=True)
class DomainUse:
    """A domain and its disks.

    ``actor`` is who opens its files, ``dac`` the label libvirt gives them, None where it gives none; ``selinux`` and ``profile``
    are what a running domain is confined to, None when it is not. ``opened_before``: the paths that libvirt's log has for it.
    """

    name: str
    running: bool
    disks: tuple[UsedDisk, ...]
    actor: Actor
    dac: DomainLabel | None
    selinux: str | None = None
    profile: Profile | None = None
    process: int | None = None
    opened_before: frozenset[str] = frozenset()

    @property
    def libvirt_gives(self) -> bool:
        """Whether libvirt gives the domain its files, as far as anybody can tell."""
        libvirtd = self.actor.libvirtd
        return libvirtd is not None and libvirtd.gives is not False and self.dac is not None and self.dac.relabel


@dataclass(frozen=True, slots=True)
class HostState:
    """What the host looks like: every path of every chain, when it booted, what diskchain granted.

    ``grants`` are those whose process no longer lives; ``present`` knows the paths of their files, too.
    """

    present: Mapping[str, Present]
    boot_times: frozenset[int]
    grants: Sequence[Grant] = ()
    holds: Sequence[Hold] = ()


@dataclass(frozen=True, slots=True)
class UsedFile:
    """One file, whatever its names, and who has it in a chain."""

    inode: Inode
    present: Present
    users: list[tuple[DomainUse, Need]]

    @property
    def running(self) -> list[DomainUse]:
        """The running domains among its users."""
        return [use for use, _ in self.users if use.running]
