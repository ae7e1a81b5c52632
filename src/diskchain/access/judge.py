"""Needed against present: whether somebody may use each file of a chain, and what stands in the way, first met first.

Pure. Puts the answers of ``predict`` (the kernel), ``apparmor_profile``, ``selinux`` and ``locks`` (QEMU) in the order
in which an open meets them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from diskchain.access.evidence import Present
from diskchain.access.fixes import mend
from diskchain.access.grants.changes import Change
from diskchain.access.kernel.identity import Identity, group_name, user_name
from diskchain.access.kernel.open_check import Obstacle, Rule, creation_obstacles, granted_bits, obstacles
from diskchain.access.kernel.path_facts import Inode
from diskchain.access.requirements import Access, Need
from diskchain.access.security.apparmor_profile import Profile, ask_profile
from diskchain.access.security.selinux import suffices
from diskchain.system.posix_acl import show_permission
from diskchain.system.shell_words import shell_word


class Verdict(StrEnum):
    """The answer for one file."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "cannot tell"
    ELSEWHERE = "not on this host"


@dataclass(frozen=True, slots=True)
class Confinement:
    """What security modules hold a QEMU to: its AppArmor profile, its SELinux image label. None: not confined by it."""

    apparmor: Profile | None = None
    selinux: str | None = None


#: No security module has a say.
UNCONFINED: Final = Confinement()


@dataclass(frozen=True, slots=True)
class Hindrance:
    """One thing in the way. ``rule``: a :class:`Rule`, or ``apparmor``, ``selinux``, ``image-lock``.

    ``unknown``: it may be in the way. ``command``: the least that mends it; ``changes``: the same for
    ``diskchain grant``, to the inode ``at``.
    """

    rule: str
    reason: str
    at: str
    unknown: bool = False
    command: str | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class FileAccess:
    """One file of a chain. ``present`` is None for storage that is not on this host."""

    need: Need
    present: Present | None
    hindrances: tuple[Hindrance, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Denied when anything is known to be in the way, whatever else cannot be told."""
        if self.present is None:
            return Verdict.ELSEWHERE
        if any(not hindrance.unknown for hindrance in self.hindrances):
            return Verdict.DENIED
        return Verdict.UNKNOWN if self.hindrances else Verdict.ALLOWED

    @property
    def first(self) -> Hindrance | None:
        """The first thing that denies; failing that, the first that may."""
        return min(self.hindrances, key=lambda hindrance: hindrance.unknown, default=None)


def judge(
    needs: Iterable[Need], present: Callable[[str], Present], who: Identity, confined: Confinement = UNCONFINED
) -> tuple[FileAccess, ...]:
    """Needed against present for every file of ``needs``. ``present`` gives what is at a path."""
    return tuple(_judge_one(need, present, who, confined) for need in needs if need.path or not _is_empty(need))


def _is_empty(need: Need) -> bool:
    """Whether the need is an empty drive."""
    return getattr(need.source.location, "path", "") is None


def _judge_one(need: Need, present: Callable[[str], Present], who: Identity, confined: Confinement) -> FileAccess:
    if need.path is None:
        return FileAccess(need, None)
    there = present(need.path)
    met = creation_obstacles(there.facts, who) if need.new else obstacles(there.facts, who, need.access.bits)
    found = [_hindrance(obstacle, who) for obstacle in met]
    if there.facts.file is not None:
        real = there.facts.file.path
        found += _by_apparmor(confined.apparmor, real, need.access)
        found += _by_selinux(confined.selinux, there, need, real)
        found += _by_lock(there, need, real)
    return FileAccess(need, there, tuple(found))


def _hindrance(obstacle: Obstacle, who: Identity) -> Hindrance:
    mending = mend(obstacle, who)
    return Hindrance(
        obstacle.rule,
        _reason(obstacle, who),
        obstacle.inode.path if obstacle.inode else "",
        obstacle.rule is Rule.UNKNOWN,
        mending.command if mending else None,
        mending.changes if mending else (),
    )


def describe_owner(inode: Inode) -> str:
    """``libvirt-qemu:kvm 0640+``: owner, group and mode of an inode; the plus says that there is an ACL."""
    return f"{user_name(inode.uid)}:{group_name(inode.gid)} {inode.mode:04o}{'' if inode.acl is None else '+'}"


def _reason(obstacle: Obstacle, who: Identity) -> str:
    inode = obstacle.inode
    if inode is None or obstacle.rule is Rule.UNKNOWN:
        return obstacle.detail
    missing = show_permission(obstacle.bits & ~granted_bits(inode, who) or obstacle.bits).replace("-", "")
    point = inode.mount.point if inode.mount else "its mount"
    return {
        Rule.SEARCH: f"parent directory {inode.path} lacks +{missing} for {who} ({describe_owner(inode)})",
        Rule.MODE: f"{who} lacks +{missing} ({describe_owner(inode)})",
        Rule.ACL: f"the ACL gives {who} no +{missing} ({describe_owner(inode)})",
        Rule.PROTECTED_SYMLINK: f"fs.protected_symlinks keeps {who} from following {inode.path}",
        Rule.NOSYMFOLLOW: f"{point} is mounted nosymfollow, and {inode.path} is a symlink",
        Rule.FUSE_OWNER: f"{point} is a FUSE mount without allow_other",
        Rule.READ_ONLY_FILE_SYSTEM: f"the file system at {point} is read-only",
        Rule.READ_ONLY_MOUNT: f"{point} is mounted read-only",
        Rule.IMMUTABLE: f"{inode.path} is immutable (chattr +i)",
        Rule.APPEND_ONLY: f"{inode.path} is append-only (chattr +a)",
        Rule.NODEV: f"{point} is mounted nodev, and {inode.path} is a device",
        Rule.KIND: f"{inode.path} is a {inode.kind}",
    }.get(obstacle.rule, obstacle.detail)


def _by_apparmor(profile: Profile | None, path: str, access: Access) -> list[Hindrance]:
    if profile is None:
        return []
    said = ask_profile(profile, path, access)
    if said.allowed:
        return []
    if said.allowed is None:
        return [Hindrance("apparmor", "the AppArmor profile cannot be read in full", path, unknown=True)]
    if said.rule is None or not said.rule.deny:
        return [Hindrance("apparmor", f"no rule of the AppArmor profile allows {access}", path)]
    file, _, line = (said.rule.origin or "").rpartition(":")
    profile_file = file.removesuffix(".files")
    command = f"sed -i {line}d {shell_word(file)} && apparmor_parser -r {shell_word(profile_file)}" if file else None
    return [Hindrance("apparmor", f"AppArmor: {said.rule} ({said.rule.origin})", path, command=command)]


def _by_selinux(label: str | None, there: Present, need: Need, path: str) -> list[Hindrance]:
    if label is None:
        return []
    enough = suffices(there.selinux, label, need.access)
    if enough:
        return []
    reason = f"SELinux: the label is {there.selinux or 'missing'}; {need.access} by the domain wants {label}"
    command = f"chcon {shell_word(label)} {shell_word(path)}"
    return [Hindrance("selinux", reason, path, enough is None, command)]


def _by_lock(there: Present, need: Need, path: str) -> list[Hindrance]:
    if there.locks is None:
        return [Hindrance("image-lock", "we may not open it, so not ask for its image locks", path, unknown=True)]
    conflict = there.locks.conflict(need.access, shared=need.shared)
    if conflict is None:
        return []
    holders = ", ".join(f"{holder.command} (process {holder.pid})" for holder in there.locks.holders)
    return [Hindrance("image-lock", f"image lock: {conflict}" + (f": {holders}" if holders else ""), path)]
