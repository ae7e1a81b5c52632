"""The least that would remove an obstacle: a change diskchain could make, or a command for somebody to decide on.

Pure. Never gives a right to everybody: where one user lacks it, one user gets it.
"""

from dataclasses import dataclass

from diskchain.access.grants.changes import AddEntry, AddMode, Change, SetOwner
from diskchain.access.kernel.identity import Identity
from diskchain.access.kernel.open_check import Obstacle, Rule, granted_bits
from diskchain.access.kernel.path_facts import Inode
from diskchain.system.posix_acl import Entry, Tag, minimal, show_entry, show_permission, with_user
from diskchain.system.shell_words import shell_word


@dataclass(frozen=True, slots=True)
class Mending:
    """``changes`` to the inode at ``path`` (empty when it is not ours to change), and the shell command for the same.

    ``command`` is None when no single command would do.
    """

    path: str
    changes: tuple[Change, ...] = ()
    command: str | None = None


def mend(obstacle: Obstacle, who: Identity) -> Mending | None:
    """What would remove ``obstacle`` for ``who``; None when nothing here can."""
    inode = obstacle.inode
    if inode is None:
        return None
    if obstacle.bits:
        return _permission(inode, who, obstacle.bits)
    command = _command(obstacle.rule, inode)
    return Mending(inode.path, command=command) if command else None


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


def _permission(inode: Inode, who: Identity, want: int) -> Mending:
    changes: tuple[Change, ...]
    if who.uid == inode.uid:
        # The kernel asks the owner's bits only; an ACL entry for the owner is never looked at.
        changes = (AddMode((want & ~(inode.mode >> 6)) << 6),)
    elif inode.acl_supported:
        # The new entry replaces what the user had through groups or as anybody, so it has to hold that too.
        changes = (AddEntry(who.uid, want | granted_bits(inode, who)),)
        if with_user(inode.acl or minimal(inode.mode), who.uid, want) is None:
            changes = ()
    else:
        missing = want & ~(inode.mode >> 6)
        changes = (SetOwner(who.uid), AddMode(missing << 6)) if missing else (SetOwner(who.uid),)
    return Mending(inode.path, changes, changes_command(inode, changes, who))


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
    path = shell_word(inode.path)
    point = shell_word(inode.mount.point) if inode.mount else None
    if rule is Rule.IMMUTABLE:
        return f"chattr -i -- {path}"
    if rule is Rule.APPEND_ONLY:
        return f"chattr -a -- {path}"
    if point is None:
        return None
    return {
        Rule.READ_ONLY_FILE_SYSTEM: f"mount -o remount,rw {point}",
        Rule.READ_ONLY_MOUNT: f"mount -o remount,bind,rw {point}",
        Rule.NODEV: f"mount -o remount,bind,dev {point}",
        Rule.NOSYMFOLLOW: f"mount -o remount,bind,symfollow {point}",
    }.get(rule)
