"""What the kernel would answer to open(2), from facts alone: every obstacle on the way, in the order it is met.

Pure. Knows the walk (``facts``) and who asks (``identity``); security modules, image locks and QEMU are other modules'.
Source: Linux ``fs/namei.c`` (``link_path_walk``, ``may_follow_link``, ``generic_permission``, ``may_open``),
``fs/posix_acl.c`` (``posix_acl_permission``), ``fs/fuse/dir.c`` (``fuse_allow_current_process``), as of 6.18.
"""

import errno
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from diskchain.access.kernel.identity import Capability, Identity
from diskchain.access.kernel.path_facts import End, Follow, Inode, Kind, PathFacts
from diskchain.system.mounts import is_fuse
from diskchain.system.posix_acl import EXECUTE, READ, WRITE, Entry, Tag, permission_of

#: Sticky and writable for everybody: where fs.protected_symlinks applies.
_STICKY_AND_OPEN: Final = 0o1002
_OPENABLE_FOR_NOBODY: Final = {Kind.SOCKET: errno.ENXIO, Kind.SYMLINK: errno.ELOOP}
_DEVICES: Final = (Kind.BLOCK, Kind.CHARACTER)
#: Not affected by a read-only mount: writing to them does not write to the file system (``special_file``).
_SPECIAL: Final = (*_DEVICES, Kind.FIFO, Kind.SOCKET)
#: File systems where a server has the last word, whatever the mode bits say.
_REMOTE: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "ocfs2", "gpfs", "lustre", "virtiofs"})
#: Of these, where it has the only word: the client does not look at the mode bits (``nfs_permission``, ``afs_permission``).
_ASKED_ONLY: Final = frozenset({"nfs", "nfs4", "afs"})
_END_ERRNO: Final = {
    End.MISSING: errno.ENOENT,
    End.NOT_A_DIRECTORY: errno.ENOTDIR,
    End.LOOP: errno.ELOOP,
    End.TOO_LONG: errno.ENAMETOOLONG,
}


class Rule(StrEnum):
    """Which rule stands in the way. Values are stable: they appear in JSON."""

    PATH = "path"
    SEARCH = "search"
    PROTECTED_SYMLINK = "protected-symlink"
    NOSYMFOLLOW = "nosymfollow"
    FUSE_OWNER = "fuse-owner"
    READ_ONLY_FILE_SYSTEM = "read-only-file-system"
    IMMUTABLE = "immutable"
    MODE = "mode"
    ACL = "acl"
    NODEV = "nodev"
    APPEND_ONLY = "append-only"
    READ_ONLY_MOUNT = "read-only-mount"
    KIND = "kind"
    #: The answer is not in the facts: a server decides, ids are mapped, or we could not look ourselves.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing in the way. ``errno`` is what open(2) would fail with, 0 for ``Rule.UNKNOWN``; ``inode`` is where.

    ``bits`` are the permissions that were asked for there (SEARCH, MODE, ACL); with ``Rule.UNKNOWN`` those that owner, mode and
    ACL do not give, where a server decides without them, or an ACL is hidden.
    """

    rule: Rule
    errno: int
    inode: Inode | None
    detail: str = ""
    bits: int = 0


def obstacles(facts: PathFacts, who: Identity, want: int) -> tuple[Obstacle, ...]:
    """Everything between ``who`` and opening ``facts.path`` with ``want`` (READ, WRITE or both), first met first.

    Empty: the open succeeds. The first obstacle that is not UNKNOWN decides the kernel's answer, provided no UNKNOWN
    comes before it.
    """
    found = _on_the_way(facts, who)
    if facts.end is not None:
        code = _END_ERRNO.get(facts.end, 0)
        where = f"{facts.stopped_at or facts.path}: {facts.end}"
        found.append(Obstacle(Rule.PATH if code else Rule.UNKNOWN, code, None, where))
    elif facts.file is not None:
        found += _at_the_file(facts.file, who, want)
    return tuple(found)


def creation_obstacles(facts: PathFacts, who: Identity) -> tuple[Obstacle, ...]:
    """Everything between ``who`` and making a file at ``facts.path``, where nothing is yet.

    The same as :func:`obstacles` for writing when something is there. Whether a server lets ``who`` make files is UNKNOWN.
    """
    if not facts.creatable or not facts.steps:
        return obstacles(facts, who, READ | WRITE)
    found = _on_the_way(facts, who)
    directory = facts.steps[-1].directory
    options = directory.mount.options | directory.mount.super_options if directory.mount else frozenset()
    if "ro" in options:
        found.append(Obstacle(Rule.READ_ONLY_FILE_SYSTEM, errno.EROFS, directory))
    if directory.immutable:
        found.append(Obstacle(Rule.IMMUTABLE, errno.EPERM, directory))
    denied = not permitted(directory, who, WRITE | EXECUTE) and permitted(directory, who, EXECUTE)
    if _hangs_on_hidden_acl(directory, who, WRITE | EXECUTE):
        found.append(_hidden_acl(directory, who, WRITE | EXECUTE))
    elif denied and not _server_alone(directory):
        rule = Rule.ACL if _by_mode_and_acl(directory, who, WRITE)[1] else Rule.MODE
        found.append(Obstacle(rule, errno.EACCES, directory, bits=WRITE | EXECUTE))
    return tuple(found)


def answer(facts: PathFacts, who: Identity, want: int) -> int | None:
    """0 when the open succeeds, else its errno; None when the facts do not decide."""
    for obstacle in obstacles(facts, who, want):
        return None if obstacle.rule is Rule.UNKNOWN else obstacle.errno
    return 0


def permitted(inode: Inode, who: Identity, want: int) -> bool:
    """``generic_permission``: mode bits, ACL, then capabilities. ``want`` is a sum of READ, WRITE and EXECUTE.

    A FUSE file system without ``default_permissions`` never asks; its server does, which is another obstacle.
    """
    if inode.mount and is_fuse(inode.mount) and "default_permissions" not in inode.mount.super_options:
        return True
    if _by_mode_and_acl(inode, who, want)[0]:
        return True
    read_only_search = (
        not want & WRITE if inode.kind is Kind.DIRECTORY else want == READ
    ) and Capability.DAC_READ_SEARCH in who.capabilities
    if read_only_search:
        return True
    executable = inode.kind is Kind.DIRECTORY or not want & EXECUTE or bool(inode.mode & 0o111)
    return executable and Capability.DAC_OVERRIDE in who.capabilities


def granted_bits(inode: Inode, who: Identity) -> int:
    """The single permissions ``who`` has on ``inode`` by mode and ACL, without capabilities."""
    return sum(bit for bit in (READ, WRITE, EXECUTE) if _by_mode_and_acl(inode, who, bit)[0])


def masked_entry(inode: Inode, who: Identity, want: int) -> Entry | None:
    """The ACL entry that would give ``who`` what they lack of ``want``, if the mask did not void it; None when there is none."""
    mask = permission_of(inode.acl or (), Tag.MASK)
    if mask is None or who.uid == inode.uid:
        return None
    lacking = want & ~granted_bits(inode, who)
    for entry in inode.acl or ():
        meant = (entry.tag is Tag.USER and entry.id == who.uid) or (
            entry.tag is Tag.GROUP and entry.id is not None and who.in_group(entry.id)
        )
        if meant and entry.perm & ~mask & lacking:
            return entry
    return None


def _on_the_way(facts: PathFacts, who: Identity) -> list[Obstacle]:
    found: list[Obstacle] = []
    for step in facts.steps:
        if isinstance(step, Follow):
            found += _following(step, facts, who)
        elif all(step.directory != other.inode for other in found):
            found += _mount_obstacles(step.directory, who, EXECUTE)
            if _hangs_on_hidden_acl(step.directory, who, EXECUTE):
                found.append(_hidden_acl(step.directory, who, EXECUTE))
            elif not permitted(step.directory, who, EXECUTE) and not _server_alone(step.directory):
                found.append(Obstacle(Rule.SEARCH, errno.EACCES, step.directory, bits=EXECUTE))
    return found


def _following(step: Follow, facts: PathFacts, who: Identity) -> list[Obstacle]:
    link, directory = step.link, step.directory
    found = []
    guarded = (
        facts.protected_symlinks is not False and step.last and directory.mode & _STICKY_AND_OPEN == _STICKY_AND_OPEN
    )
    if guarded and who.uid != link.uid != directory.uid:
        if facts.protected_symlinks is None:
            found.append(Obstacle(Rule.UNKNOWN, 0, link, "whether fs.protected_symlinks is set cannot be read"))
        else:
            found.append(Obstacle(Rule.PROTECTED_SYMLINK, errno.EACCES, link))
    if link.mount and "nosymfollow" in link.mount.options:
        found.append(Obstacle(Rule.NOSYMFOLLOW, errno.ELOOP, link))
    return found


def _at_the_file(file: Inode, who: Identity, want: int) -> list[Obstacle]:
    found: list[Obstacle] = []
    if file.kind is Kind.DIRECTORY and want & WRITE:
        found.append(Obstacle(Rule.KIND, errno.EISDIR, file))
    if file.kind is Kind.SYMLINK:
        found.append(Obstacle(Rule.KIND, errno.ELOOP, file))
    options = file.mount.options if file.mount else frozenset()
    super_options = file.mount.super_options if file.mount else frozenset()
    if file.kind in _DEVICES and "nodev" in options | super_options:
        found.append(Obstacle(Rule.NODEV, errno.EACCES, file))
    if want & WRITE and "ro" in super_options and file.kind not in _SPECIAL:
        found.append(Obstacle(Rule.READ_ONLY_FILE_SYSTEM, errno.EROFS, file))
    if want & WRITE and file.immutable:
        found.append(Obstacle(Rule.IMMUTABLE, errno.EPERM, file))
    found += _mount_obstacles(file, who, want)
    if _hangs_on_hidden_acl(file, who, want):
        found.append(_hidden_acl(file, who, want))
    elif not permitted(file, who, want) and not _server_alone(file):
        rule = Rule.ACL if _by_mode_and_acl(file, who, want)[1] else Rule.MODE
        found.append(Obstacle(rule, errno.EACCES, file, bits=want))
    if want & WRITE and file.append:
        found.append(Obstacle(Rule.APPEND_ONLY, errno.EPERM, file))
    if want & WRITE and "ro" in options and "ro" not in super_options and file.kind not in _SPECIAL:
        found.append(Obstacle(Rule.READ_ONLY_MOUNT, errno.EROFS, file))
    if file.kind in _OPENABLE_FOR_NOBODY and file.kind is not Kind.SYMLINK:
        found.append(Obstacle(Rule.KIND, _OPENABLE_FOR_NOBODY[file.kind], file))
    return found


def _hangs_on_hidden_acl(inode: Inode, who: Identity, want: int) -> bool:
    """Whether the answer depends on an ACL that nobody could read.

    It does not for the owner, for those whom capabilities let through, and with an empty group class, where the kernel looks at
    none. Nor where neither the group class, which is the mask of an ACL, nor that of others holds what is wanted.
    """
    if not inode.acl_hidden or who.uid == inode.uid or not inode.mode & 0o070:
        return False
    if permitted(replace(inode, mode=inode.mode & ~0o077), who, want):
        return False
    return want & 7 & ~(inode.mode >> 3) == 0 or want & 7 & ~inode.mode == 0


def _hidden_acl(inode: Inode, who: Identity, want: int) -> Obstacle:
    lacking = 0 if permitted(inode, who, want) else want
    return Obstacle(Rule.UNKNOWN, 0, inode, f"the ACL of {inode.path} cannot be read; is /proc mounted?", lacking)


def _server_alone(inode: Inode) -> bool:
    """Whether owner, mode and ACL are only what a server shows, and it is asked instead."""
    mount = inode.mount
    return mount is not None and (
        mount.fstype in _ASKED_ONLY or (mount.fstype in ("cifs", "smb3") and "noperm" in mount.super_options)
    )


def _mount_obstacles(inode: Inode, who: Identity, want: int) -> list[Obstacle]:
    """What the kind of file system adds: FUSE keeps others out, a server decides for itself, ids may be mapped."""
    mount = inode.mount
    if mount is None:
        return []
    found = []
    if is_fuse(mount):
        options = mount.super_options
        if "allow_other" not in options and not {f"user_id={who.uid}", f"group_id={who.gid}"} <= options:
            found.append(Obstacle(Rule.FUSE_OWNER, errno.EACCES, inode))
        elif "default_permissions" not in options and inode.kind is not Kind.DIRECTORY:
            found.append(Obstacle(Rule.UNKNOWN, 0, inode, f"the FUSE server behind {mount.point} decides"))
    elif mount.fstype in _REMOTE:
        lacking = want if _server_alone(inode) and not permitted(inode, who, want) else 0
        what = f"the {mount.fstype} server behind {mount.point} decides"
        found.append(Obstacle(Rule.UNKNOWN, 0, inode, what, lacking))
    if "idmapped" in mount.options:
        found.append(Obstacle(Rule.UNKNOWN, 0, inode, f"{mount.point} maps user ids"))
    return found


def _by_mode_and_acl(inode: Inode, who: Identity, want: int) -> tuple[bool, bool]:
    """``acl_permission_check``: whether allowed, and whether an ACL beyond the mode bits said so."""
    mode = inode.mode
    if who.uid == inode.uid:
        return want & ~(mode >> 6) == 0, False
    # With an empty mask the kernel does not look at the ACL at all.
    if inode.acl is not None and mode & 0o070:
        return _by_acl(inode, who, want), True
    bits = mode >> 3 if who.in_group(inode.gid) else mode
    return want & 7 & ~bits == 0, False


def _by_acl(inode: Inode, who: Identity, want: int) -> bool:
    """``posix_acl_permission`` for somebody who is not the owner."""
    acl = inode.acl or ()
    mask = permission_of(acl, Tag.MASK)
    limit = READ | WRITE | EXECUTE if mask is None else mask
    for entry in acl:
        if entry.tag is Tag.USER and entry.id == who.uid:
            return want & ~(entry.perm & limit) == 0
    in_a_group = False
    for entry in acl:
        if entry.tag is Tag.GROUP_OBJ:
            member = who.in_group(inode.gid)
        elif entry.tag is Tag.GROUP and entry.id is not None:
            member = who.in_group(entry.id)
        else:
            continue
        if member:
            in_a_group = True
            if want & ~entry.perm == 0:
                return want & ~limit == 0
    other = permission_of(acl, Tag.OTHER) or 0
    return not in_a_group and want & ~other == 0
