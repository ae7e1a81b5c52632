"""Whether root can give a file to another user: what chown(2) would do on its file system, mount and flags. Pure.

libvirt takes a chown that fails with EPERM, EROFS, EINVAL or EOPNOTSUPP for done (``virSecurityDACSetOwnershipInternal``, 9.0.0
to 11.3.0), and some file systems answer 0 and change nothing; so this asks for the effect, not for the answer.
Source: Linux ``fs/attr.c`` (``setattr_prepare``), ``fs/fat/file.c`` (``fat_allow_set_time``, ``fat_setattr``), mount.cifs(8),
ntfs-3g(8), exports(5), as of Linux 6.18.
"""

from dataclasses import dataclass
from typing import Final

from diskchain.access.kernel.path_facts import Inode
from diskchain.system.mounts import Mount, is_fuse

#: File systems that store no owner: mount options say who owns everything.
OWNERLESS: Final = frozenset({"vfat", "msdos", "exfat", "ntfs", "hfs", "hpfs", "iso9660", "adfs"})
#: File systems where a server decides whether root may change an owner.
SERVED: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "afs", "gpfs", "lustre", "virtiofs", "vboxsf", "ntfs3"})
#: What mount.cifs shows where owners are made up by the client.
_CIFS_MADE_UP: Final = frozenset({"forceuid", "nounix"})


@dataclass(frozen=True, slots=True)
class Giving:
    """What a chown by root would do: True: the owner changes, False: it stays, None: nobody here can tell; and why not."""

    works: bool | None
    reason: str = ""


_WORKS: Final = Giving(works=True)


def give(inode: Inode, uid: int, gid: int) -> Giving:
    """Whether root can make ``uid`` and ``gid`` the owner and the group of ``inode``."""
    if (inode.uid, inode.gid) == (uid, gid):
        return _WORKS
    fixed = unchangeable(inode)
    if fixed:
        return Giving(works=False, reason=fixed)
    mount = inode.mount
    if mount is None:
        return _WORKS
    if keeps_no_owners(mount):
        return Giving(works=False, reason=f"{mount.fstype} at {mount.point} keeps no owners")
    if is_fuse(mount):
        return Giving(works=None, reason=f"the FUSE server behind {mount.point} decides whether an owner changes")
    if mount.fstype in SERVED:
        root = " (root_squash)" if mount.fstype.startswith("nfs") else ""
        return Giving(works=None, reason=f"the {mount.fstype} server behind {mount.point} decides about owners{root}")
    if "idmapped" in mount.options:
        return Giving(works=None, reason=f"{mount.point} maps user ids")
    return _WORKS


def unchangeable(inode: Inode) -> str:
    """Why nothing about ``inode`` can be changed, its rights included; empty when nothing keeps it."""
    if inode.immutable:
        return f"{inode.path} is immutable (chattr +i)"
    if inode.append:
        return f"{inode.path} is append-only (chattr +a)"
    mount = inode.mount
    if mount is not None and "ro" in mount.super_options:
        return f"the file system at {mount.point} is read-only"
    if mount is not None and "ro" in mount.options:
        return f"{mount.point} is mounted read-only"
    return ""


def keeps_no_owners(mount: Mount) -> bool:
    """Whether owners and modes of the file system are made up by its mount options."""
    made_up = mount.fstype in ("cifs", "smb3") and bool(_CIFS_MADE_UP & mount.super_options)
    return mount.fstype in OWNERLESS or made_up
