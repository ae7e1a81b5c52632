"""What stands between a process and a file by the kernel's rules, once libvirt has given what it can; and the cure of each.

Pure. Each cure is applied to the facts, and the kernel's rules are asked again, so that the cures of one file are enough together
and none of them is in vain. Where nobody can tell what libvirtd or a server will do, both ways are judged: what differs is unknown.
Source for what libvirt does: ``virSecurityDACSetOwnership``, ``virStorageFileBackendFileCreate``; measured with 9.0.0.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from diskchain.access.actor import Actor, Libvirtd
from diskchain.access.evidence import Present
from diskchain.access.fixes import Fix, fix_for, with_fix
from diskchain.access.grants.changes import Change
from diskchain.access.kernel.identity import Identity, group_name, user_name
from diskchain.access.kernel.open_check import (
    Obstacle,
    Rule,
    creation_obstacles,
    granted_bits,
    masked_entry,
    obstacles,
)
from diskchain.access.kernel.path_facts import Inode, Kind
from diskchain.access.requirements import Need
from diskchain.access.security.relabelled import Adjust, Outlook
from diskchain.behaviours import statement
from diskchain.system.posix_acl import Entry, Tag, permission_of, show_permission

#: A path has 4,096 bytes at most; more cures than this make no answer for a person.
_MOST_CURES: Final = 16
#: What libvirtd makes a file with (``virStorageFileBackendFileCreate``).
_MADE_MODE: Final = 0o600
_SETGID: Final = 0o2000


@dataclass(frozen=True, slots=True)
class Hindrance:
    """One thing in the way.

    ``rule``: a :class:`Rule`, or ``owner`` (what libvirt will not give away, or may not), ``exists``, ``apparmor``, ``selinux``,
    ``image-lock``. ``unknown``: it may be in the way. ``command``: the least that mends it; ``changes``: the same for
    ``diskchain grant``, to the inode ``at``; ``advice``: what would help where no command here does.
    """

    rule: str
    reason: str
    at: str
    unknown: bool = False
    command: str | None = None
    changes: tuple[Change, ...] = ()
    advice: str | None = None


def making(need: Need, there: Present, actor: Actor) -> list[Hindrance]:
    """What keeps a new file from being made, for whoever makes it: libvirtd where it acts, else the process itself."""
    file = there.facts.file
    if not need.new:
        return []
    if file is not None:
        full = file.kind is Kind.FILE and file.size > 0
        if actor.libvirtd is not None and need.fresh:
            reason = f"{file.path} exists already, and libvirt makes that file itself"
            return [Hindrance("exists", reason, file.path)]
        if actor.libvirtd is not None and need.leftover:
            return _leftover(file.path, actor.libvirtd)
        if actor.libvirtd is None or need.reuse or not full:
            return []
        reason = f"{file.path} exists and is not empty; libvirt writes there only when told to (--reuse-external)"
        return [Hindrance("exists", reason, file.path)]
    if need.reuse or not there.facts.creatable:
        return []  # that it is missing is in the way of opening it
    maker = actor.maker
    return [
        _hindrance(obstacle, fix_for(obstacle, maker), maker) for obstacle in creation_obstacles(there.facts, maker)
    ]


def _leftover(path: str, libvirtd: Libvirtd) -> list[Hindrance]:
    """What becomes of a transient disk's overlay that is left of an earlier start."""
    if libvirtd.refuses_leftovers is False:
        return []
    if libvirtd.refuses_leftovers:
        return [Hindrance("exists", f"{path} exists already, and libvirt makes that file itself", path)]
    return [Hindrance("exists", f"{path} exists already: {statement('access-denied/leftover')}", path, unknown=True)]


def made_by(there: Present, maker: Identity) -> Present:
    """``there`` with the file that ``maker`` makes in the directory it is to be in."""
    directory = there.facts.steps[-1].directory
    gid = directory.gid if directory.mode & _SETGID else maker.gid
    path = there.facts.path
    made = Inode(path, Kind.FILE, directory.device, -1, maker.uid, gid, _MADE_MODE, mount=directory.mount)
    return replace(there, facts=replace(there.facts, file=made, end=None, stopped_at=None, creatable=False))


def opening(need: Need, there: Present, actor: Actor, adjust: Adjust, *, made: bool = False) -> list[Hindrance]:
    """What keeps the process from opening the file. ``made``: it is not there yet; libvirtd is about to make it."""
    outlook = adjust(need.path or "", there)
    refused: list[Hindrance] = []
    if outlook.refused:
        file = there.facts.file
        refused = [Hindrance("owner", outlook.refused, file.path if file else need.path or "", unknown=True)]
    ways = [_cured(need, there, who, adjust, _as_given, made=made) for who in (actor.identity, *actor.maybe)]
    found = ways[0]
    doubt = f"whether {actor.identity} keeps root's capabilities is not known"
    if outlook.otherwise is not None:
        ways.append(_cured(need, there, actor.identity, adjust, _as_kept, made=made))
        doubt = outlook.doubt
    return refused + (_agreed(ways, doubt) if len(ways) > 1 else found)


def _as_given(outlook: Outlook) -> Present:
    return outlook.present


def _as_kept(outlook: Outlook) -> Present:
    return outlook.otherwise or outlook.present


def _agreed(ways: list[list[Hindrance]], doubt: str) -> list[Hindrance]:
    """What all ``ways`` have in common; that they differ is one thing that cannot be told."""
    denying = [next((each for each in way if not each.unknown), None) for way in ways]
    if all(denying) or not any(denying):
        return ways[0]
    first = next(each for each in denying if each is not None)
    undecided = Hindrance(
        first.rule, f"{doubt}; without that, {first.reason}", first.at, unknown=True, advice=first.advice
    )
    return [*(each for each in ways[0] if each.unknown), undecided]


def _cured(
    need: Need, there: Present, who: Identity, adjust: Adjust, pick: Callable[[Outlook], Present], *, made: bool
) -> list[Hindrance]:
    """The obstacles for ``who``, each with a cure that was tried on the facts before the next was looked for."""
    found: list[Hindrance] = []
    present = there
    for _ in range(_MOST_CURES):
        outlook = adjust(need.path or "", present)
        met = list(obstacles(pick(outlook).facts, who, need.access.bits))
        known = next((each for each in sorted(met, key=_in_turn) if each.rule is not Rule.UNKNOWN), None)
        if known is None:
            return found + [_hindrance(each, fix_for(each, who), who) for each in met]
        cure = _beforehand(known, there, made=made) or fix_for(known, who)
        after = with_fix(present.facts, known, cure)
        if after is None or after == present.facts:
            return found + [
                _hindrance(each, cure if each is known else fix_for(each, who), who, outlook.kept) for each in met
            ]
        found.append(_hindrance(known, cure, who, outlook.kept))
        present = replace(present, facts=after)
    return found


def _in_turn(obstacle: Obstacle) -> bool:
    """Cures come in the order of the obstacles, but for mounts: nothing else can be changed on one that is read-only."""
    return obstacle.rule not in (Rule.READ_ONLY_FILE_SYSTEM, Rule.READ_ONLY_MOUNT)


def _beforehand(obstacle: Obstacle, there: Present, *, made: bool) -> Fix | None:
    """The advice about a file that is not there yet: its rights cannot be changed before it is made."""
    file = there.facts.file
    if not made or file is None or obstacle.inode is None or obstacle.inode.path != file.path:
        return None
    return Fix(file.path, advice="make the file first, give it to QEMU's user, and name it with --reuse-external")


def _hindrance(obstacle: Obstacle, fix: Fix | None, who: Identity, kept: str = "") -> Hindrance:
    unknown = obstacle.rule is Rule.UNKNOWN
    reason = _reason(obstacle, who)
    if kept and obstacle.rule in (Rule.MODE, Rule.ACL):
        reason += f", and libvirt leaves it so: {kept}"
    at = obstacle.inode.path if obstacle.inode else ""
    if fix is None or unknown:  # what nobody knows to be in the way is not to be cured
        return Hindrance(obstacle.rule, reason, at, unknown, advice=fix.advice if fix else None)
    return Hindrance(obstacle.rule, reason, at, unknown, fix.command, fix.changes, fix.advice)


def describe_owner(inode: Inode) -> str:
    """``libvirt-qemu:kvm 0640+``: owner, group and mode of an inode; the plus says that there is an ACL."""
    return f"{user_name(inode.uid)}:{group_name(inode.gid)} {inode.mode:04o}{'' if inode.acl is None else '+'}"


def _reason(obstacle: Obstacle, who: Identity) -> str:
    inode = obstacle.inode
    if inode is None:
        return obstacle.detail
    missing = show_permission(obstacle.bits & ~granted_bits(inode, who) or obstacle.bits).replace("-", "")
    owner = f"({describe_owner(inode)}){_mask(inode, who, obstacle.bits)}"
    if obstacle.rule is Rule.UNKNOWN:
        return obstacle.detail + (f"; by owner, mode and ACL, {who} lacks +{missing} {owner}" if obstacle.bits else "")
    point = inode.mount.point if inode.mount else "its mount"
    return {
        Rule.SEARCH: f"parent directory {inode.path} lacks +{missing} for {who} {owner}",
        Rule.MODE: f"{who} lacks +{missing} {owner}",
        Rule.ACL: f"the ACL gives {who} no +{missing} {owner}",
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


def _mask(inode: Inode, who: Identity, want: int) -> str:
    """That an entry of the ACL would do, and its mask voids it; empty when that is not so."""
    entry = masked_entry(inode, who, want)
    if entry is None:
        return ""
    mask = show_permission(permission_of(inode.acl or (), Tag.MASK) or 0)
    return f"; its ACL has {_shown(entry)}, and the mask {mask} voids that"


def _shown(entry: Entry) -> str:
    name = user_name(entry.id or 0) if entry.tag is Tag.USER else group_name(entry.id or 0)
    return f"{'user' if entry.tag is Tag.USER else 'group'}:{name}:{show_permission(entry.perm)}"
