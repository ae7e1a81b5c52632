"""The least that would remove an obstacle: a change diskchain could make, or a command for a person to decide on, or advice.

Pure. Never gives a right to everybody: where one user lacks it, one user gets it. A change is offered only where its file system
takes it, and where the kernel's rules, asked again about the changed file, allow what they denied.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from diskchain.access.grants.changes import AddEntry, AddMode, Change, FileState, SetOwner, changed
from diskchain.access.kernel.chown_check import SERVED, keeps_no_owners, unchangeable
from diskchain.access.kernel.identity import Identity
from diskchain.access.kernel.open_check import Obstacle, Rule, granted_bits, permitted
from diskchain.access.kernel.path_facts import Inode, PathFacts, Search
from diskchain.errors import ParseError
from diskchain.system.mounts import Mount, is_fuse
from diskchain.system.posix_acl import Entry, Tag, decode, encode, minimal, show_entry, show_permission, with_user
from diskchain.system.shell_words import shell_word

#: File systems that nobody can write, whatever the mount says.
_NEVER_WRITTEN: Final = frozenset({"iso9660", "squashfs", "erofs", "cramfs", "romfs"})
#: What a remount takes away from the options of a mount, and of its file system.
_REMOUNTED: Final = {
    Rule.READ_ONLY_FILE_SYSTEM: ("ro", True),
    Rule.READ_ONLY_MOUNT: ("ro", False),
    Rule.NODEV: ("nodev", False),
    Rule.NOSYMFOLLOW: ("nosymfollow", False),
}


@dataclass(frozen=True, slots=True)
class Fix:
    """``changes`` to the inode at ``path`` (empty when it is not ours to change), and the shell command for the same.

    ``command`` is None when no single command would do; ``advice`` then says in words what would, if anything. ``effect``: what
    the command makes of the inode, which is ``changes`` where those are ours.
    """

    path: str
    changes: tuple[Change, ...] = ()
    command: str | None = None
    advice: str | None = None
    effect: tuple[Change, ...] = ()


def fix_for(obstacle: Obstacle, who: Identity) -> Fix | None:
    """What would remove ``obstacle`` for ``who``; None when nothing here can."""
    inode = obstacle.inode
    if inode is None:
        return None
    if obstacle.bits:
        return _permission(inode, who, obstacle.bits)
    mount = inode.mount
    if obstacle.rule is Rule.FUSE_OWNER and mount is not None:
        return Fix(inode.path, advice=f"mount {mount.point} with the option allow_other")
    command = _command(obstacle.rule, inode)
    return Fix(inode.path, command=command) if command else None


def with_fix(facts: PathFacts, obstacle: Obstacle, fix: Fix | None) -> PathFacts | None:
    """``facts`` as they will be with ``fix`` in place; None when facts cannot show what becomes of the obstacle."""
    inode = obstacle.inode
    if fix is None or inode is None or (fix.command is None and not fix.changes):
        return None
    after = _after(obstacle, fix)
    steps = tuple(
        Search(after(step.directory))
        if isinstance(step, Search)
        else replace(step, directory=after(step.directory), link=after(step.link))
        for step in facts.steps
    )
    return replace(facts, steps=steps, file=None if facts.file is None else after(facts.file))


def _after(obstacle: Obstacle, fix: Fix) -> Callable[[Inode], Inode]:
    def after(inode: Inode) -> Inode:
        if obstacle.rule in _REMOUNTED:
            return _remounted(inode, obstacle)
        if obstacle.inode is None or (inode.device, inode.number) != (obstacle.inode.device, obstacle.inode.number):
            return inode
        if obstacle.rule is Rule.IMMUTABLE:
            return replace(inode, immutable=False)
        if obstacle.rule is Rule.APPEND_ONLY:
            return replace(inode, append=False)
        return with_changes(inode, fix.effect) or inode

    return after


def _remounted(inode: Inode, obstacle: Obstacle) -> Inode:
    mount, seen = inode.mount, obstacle.inode.mount if obstacle.inode else None
    if mount is None or seen is None or mount.point != seen.point:
        return inode
    option, whole = _REMOUNTED[obstacle.rule]
    options, super_options = mount.options - {option}, mount.super_options - ({option} if whole else set())
    return replace(inode, mount=replace(mount, options=options, super_options=super_options))


def with_changes(inode: Inode, changes: tuple[Change, ...]) -> Inode | None:
    """``inode`` with ``changes``; None where an ACL entry cannot be added without changing what others may do."""
    state = FileState(inode.uid, inode.gid, inode.mode, None if inode.acl is None else encode(inode.acl))
    try:
        state = changed(state, changes)
    except ParseError:
        return None
    acl = None if state.acl is None else decode(state.acl)
    return replace(inode, uid=state.uid, gid=state.gid, mode=state.mode, acl=acl)


def changes_command(inode: Inode, changes: tuple[Change, ...], who: Identity) -> str | None:
    """The shell command that makes ``changes``, given together so that the second builds on the first."""
    commands = []
    quoted = shell_word(inode.path)
    for change in changes:
        if isinstance(change, AddEntry):
            entries = _setfacl_entries(inode, change, who)
            if entries is None:
                return None
            # -n: without it, setfacl raises the mask and wakes rights it holds down.
            commands.append(f"setfacl -n -m {entries} -- {quoted}")
        elif isinstance(change, AddMode):
            classes = {"u": change.bits >> 6 & 7, "g": change.bits >> 3 & 7}
            words = [f"{name}+{show_permission(perm).replace('-', '')}" for name, perm in classes.items() if perm]
            commands.append(f"chmod {','.join(words)} -- {quoted}")
        else:
            commands.append(f"chown {who} -- {quoted}")
    return " && ".join(commands) or None


def _permission(inode: Inode, who: Identity, want: int) -> Fix:
    """The first of ACL entry, permission bits and owner that the file system takes, and that is enough."""
    advice = _of_its_mount(inode, who)
    if advice is not None:
        return Fix(inode.path, advice=advice)
    for changes in _candidates(inode, who, want):
        after, command = with_changes(inode, changes), changes_command(inode, changes, who)
        if after is None or command is None or not permitted(after, who, want):
            continue
        if not unchangeable(inode):
            return Fix(inode.path, changes, command, effect=changes)
        for_a_moment = _lifted(inode, command)
        if for_a_moment is not None:
            return Fix(inode.path, (), for_a_moment, effect=changes)
        return Fix(inode.path, advice="nothing on this file system can be changed: use a copy elsewhere")
    return Fix(inode.path)


def _candidates(inode: Inode, who: Identity, want: int) -> list[tuple[Change, ...]]:
    missing = (want & ~(inode.mode >> 6)) << 6
    if who.uid == inode.uid:
        # The kernel asks the owner's bits only; an ACL entry for the owner is never looked at.
        return [(AddMode(missing),)]
    if inode.acl_hidden:
        return []  # a command that adds to an ACL, or makes one, would take away what it says
    if inode.acl_supported:
        # The new entry replaces what the user had through groups or as anybody, so it has to hold that too.
        return [(AddEntry(who.uid, want | granted_bits(inode, who)),)]
    return [(SetOwner(who.uid), AddMode(missing)) if missing else (SetOwner(who.uid),)]


def _of_its_mount(inode: Inode, who: Identity) -> str | None:
    """What to do where a file's rights are not the file's own; None where they are."""
    mount = inode.mount
    if mount is None:
        return None
    if keeps_no_owners(mount):
        modes = "file_mode=0660,dir_mode=0770" if mount.fstype in ("cifs", "smb3") else "umask=0007"
        return f"{mount.fstype} keeps no owners: unmount {mount.point}, and mount it with uid={who.uid},gid={who.gid},{modes}"
    if is_fuse(mount):
        return (
            f"the program behind {mount.point} decides: unmount it, and mount it with allow_other and options that make "
            f"uid {who.uid} the owner (uid={who.uid},gid={who.gid},umask=0007 for most of them)"
        )
    if mount.fstype in SERVED:
        root = ", or export it with no_root_squash, so that root may do it here" if "nfs" in mount.fstype else ""
        return f"the {mount.fstype} server of {mount.source} decides: give uid {who.uid} the right there{root}"
    return None


def _lifted(inode: Inode, command: str) -> str | None:
    """``command`` with what keeps ``inode`` as it is lifted for as long as it takes; None when it cannot be."""
    path, mount = shell_word(inode.path), inode.mount
    around: list[tuple[str, str]] = []
    if mount is not None and "ro" in mount.super_options:
        if mount.fstype in _NEVER_WRITTEN:
            return None
        around.append(
            (f"mount -o remount,rw {shell_word(mount.point)}", f"mount -o remount,ro {shell_word(mount.point)}")
        )
    elif mount is not None and "ro" in mount.options:
        point = shell_word(mount.point)
        around.append((f"mount -o remount,bind,rw {point}", f"mount -o remount,bind,ro {point}"))
    for flag, is_set in (("i", inode.immutable), ("a", inode.append)):
        if is_set:
            around.append((f"chattr -{flag} -- {path}", f"chattr +{flag} -- {path}"))
    return " && ".join([*(before for before, _ in around), command, *(after for _, after in reversed(around))])


def _setfacl_entries(inode: Inode, change: AddEntry, who: Identity) -> str | None:
    before = inode.acl or minimal(inode.mode)
    after = with_user(before, change.uid, change.perm)
    if after is None:
        return None
    named = {Entry(Tag.USER, entry.perm, who.uid): str(who) for entry in after}
    words = []
    for entry in after:
        if entry not in before:
            word = show_entry(entry)
            words.append(word.replace(f"u:{who.uid}:", f"u:{named[entry]}:") if entry in named else word)
    return ",".join(words)


def _command(rule: Rule, inode: Inode) -> str | None:
    path, mount = shell_word(inode.path), inode.mount
    if rule is Rule.IMMUTABLE:
        return f"chattr -i -- {path}"
    if rule is Rule.APPEND_ONLY:
        return f"chattr -a -- {path}"
    if mount is None or (rule is Rule.READ_ONLY_FILE_SYSTEM and mount.fstype in _NEVER_WRITTEN):
        return None
    return _remount(rule, mount)


def _remount(rule: Rule, mount: Mount) -> str | None:
    point = shell_word(mount.point)
    return {
        Rule.READ_ONLY_FILE_SYSTEM: f"mount -o remount,rw {point}",
        Rule.READ_ONLY_MOUNT: f"mount -o remount,bind,rw {point}",
        Rule.NODEV: f"mount -o remount,bind,dev {point}",
        Rule.NOSYMFOLLOW: f"mount -o remount,bind,symfollow {point}",
    }.get(rule)
