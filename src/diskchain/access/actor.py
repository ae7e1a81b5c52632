"""Who acts on a chain, as whom, and what it may give away; and where that is known from.

Two processes act: QEMU opens files, and libvirtd, as root, makes new ones and gives files to QEMU's user. Without libvirt one
process does both. Values only: what is asked of the host is ``system``'s, what is asked of libvirt is ``hypervisor``'s.
Source: libvirt ``security_dac.c`` and ``qemu_conf.c``; measured with 9.0.0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from diskchain.access.kernel.chown_check import Giving, give
from diskchain.access.kernel.identity import ALL_CAPABILITIES, Identity
from diskchain.access.kernel.path_facts import Inode, Kind

#: Device and inode of a file; -1 and its number for a device file, whose inodes differ in QEMU's own /dev.
FileKey = tuple[int, int]


class Origin(StrEnum):
    """Where the acting user is known from, most certain first. Values are stable: they appear in JSON."""

    ASKED = "asked"
    PROCESS = "process"
    SECLABEL = "seclabel"
    SESSION = "session"
    CONFIGURATION = "qemu.conf"
    CAPABILITIES = "capabilities"


#: libvirtd of the system connection.
ROOT: Final = Identity(0, 0, frozenset({0}), ALL_CAPABILITIES, "root")


@dataclass(frozen=True, slots=True)
class Libvirtd:
    """The daemon that makes files and gives them away.

    ``gives``: whether it changes owners at all (``dynamic_ownership``), None when nobody could tell, and ``because`` of what.
    ``remembers``: whether it notes the former owner (``remember_owner``). ``knows_data_files``: whether it labels the data files of
    qcow2 images, ``refuses_leftovers``: whether it starts no domain whose transient disk's overlay is there already; None: its version
    is not known.
    """

    identity: Identity = ROOT
    gives: bool | None = True
    because: str = ""
    remembers: bool = True
    knows_data_files: bool | None = None
    refuses_leftovers: bool | None = None

    def give(self, inode: Inode, uid: int, gid: int) -> Giving:
        """What becomes of ``inode`` when it is to be given to ``uid`` and ``gid``."""
        if (inode.uid, inode.gid) == (uid, gid):
            return Giving(works=True)
        if self.gives is False:
            return Giving(works=False, reason=self.because)
        outlook = give(inode, uid, gid)
        if self.gives is None and outlook.works is not False:
            return Giving(works=None, reason=self.because)
        return outlook


@dataclass(frozen=True, slots=True)
class Actor:
    """The process that opens the files.

    ``where``: what ``origin`` says it in, for people (``process 4711``, ``/etc/libvirt/qemu.conf:12``). ``maybe``: what it could
    be instead, where nobody can tell. ``libvirtd``: None where no libvirt acts, and the process makes its files itself.
    ``running``: the process is there already, whether it is seen or not.
    ``opened``: the files a running process has open, and whether for writing; they end every argument.
    """

    identity: Identity
    origin: Origin = Origin.ASKED
    where: str = ""
    maybe: tuple[Identity, ...] = ()
    libvirtd: Libvirtd | None = None
    running: bool = False
    opened: Mapping[FileKey, bool] = field(default_factory=dict)

    @property
    def maker(self) -> Identity:
        """Who makes a file that is not there yet."""
        return self.identity if self.libvirtd is None else self.libvirtd.identity

    def has_open(self, inode: Inode, *, writable: bool) -> bool:
        """Whether the process has ``inode`` open already, for writing where that is wanted."""
        found = self.opened.get(file_key(inode))
        return found is not None and (found or not writable)


def file_key(inode: Inode) -> FileKey:
    """The key of ``inode`` in :attr:`Actor.opened`."""
    return (-1, inode.rdev) if inode.kind in (Kind.BLOCK, Kind.CHARACTER) else (inode.device, inode.number)


def acting(who: Identity | Actor) -> Actor:
    """``who`` as an actor: a mere identity acts without libvirt."""
    return who if isinstance(who, Actor) else Actor(who)
