"""What giving back does to one file: the state it gets, or why it stays as it is. Pure, one function.

The original goes back when the last grant lets go; before that, what the other grants hold stays. A file that QEMU has open, the way
to one, and a file that was changed by others meanwhile, are left alone and named. Rights that the kernel ties to a file's content
(setuid, setgid, file capabilities) come back only where nothing can have changed it, whatever the options say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from diskchain.access.grants.changes import CAPABILITY_XATTR, CONTENT_BITS, FileState, SetOwner, changed
from diskchain.access.grants.journal_schema import Grant, Hold, Phase
from diskchain.access.image_locks import ImageLocks
from diskchain.access.kernel.identity import group_name, user_name
from diskchain.access.requirements import Access


class Result(StrEnum):
    """What became of one hold."""

    RESTORED = "restored"
    #: Another grant holds the file; only what this grant alone needed is gone.
    SHARED = "still held by another grant"
    DELETED = "the file is deleted"
    FORGOTTEN = "forgotten"
    KEPT = "kept, in use"
    REFUSED = "refused"
    #: It may or may not have been given back. The journal keeps it.
    NO_ANSWER = "no answer"
    #: Its record in the journal cannot be read.
    DAMAGED = "not given back"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RevertOptions:
    """How much the caller insists.

    ``over``: the grant is known to be over, so files that are merely read are given back. ``force``: give back whatever
    is in the way. ``times``: put back access and modification times, too.
    """

    over: bool = False
    force: bool = False
    times: bool = False


_NO_LOCKS: Final = ImageLocks()
#: Leave alone what is in use or was changed by others.
DEFAULT_OPTIONS: Final = RevertOptions()


@dataclass(frozen=True, slots=True)
class FileNow:
    """The file as it is now.

    ``locks``: the image locks that others hold on it, None where that could not be asked. ``directory``: it is one; ``below``: why
    something below it counts as used, empty when nothing does.
    """

    state: FileState
    locks: ImageLocks | None = _NO_LOCKS
    directory: bool = False
    below: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """``target`` is the state to write, None when the file is left alone for ``reason``."""

    result: Result
    target: FileState | None = None
    reason: str = ""


def plan_revert(
    hold: Hold, grant: Grant, others: Sequence[Hold], present: FileNow, options: RevertOptions = DEFAULT_OPTIONS
) -> Decision:
    """What giving back ``hold`` of ``grant`` does. ``others``: the holds of other grants on the same file."""
    now = present.state
    remaining = tuple(change for other in others for change in other.changes)
    original = hold.file.original
    wanted = changed(original, remaining)
    given_by_us = any(isinstance(change, SetOwner) for change in hold.changes)
    taken_over = not given_by_us and (now.uid, now.gid) != (original.uid, original.gid)
    if not options.force:
        used = _use(hold, present, options, taken_over=taken_over)
        if used:
            return Decision(Result.KEPT, reason=used)
        foreign = _foreign_change(hold, grant, wanted, changed(original, (*hold.changes, *remaining)), present)
        if foreign:
            return Decision(Result.REFUSED, reason=foreign)
    if not others:
        target = original
    elif taken_over:
        target = replace(wanted, uid=now.uid, gid=now.gid, xattrs=now.xattrs)
    else:
        target = replace(wanted, xattrs=now.xattrs)
    if not options.times:
        target = replace(target, accessed=now.accessed, modified=now.modified)
    result = Result.SHARED if others else Result.RESTORED
    if present.directory:
        return Decision(result, target)
    target, lost = _without_content_rights(target, original, now)
    return Decision(result, target, lost)


def _use(hold: Hold, present: FileNow, options: RevertOptions, *, taken_over: bool) -> str:
    """Why the file counts as still used, empty when it does not."""
    if present.directory:
        return present.below
    locks = present.locks
    if locks is None:
        return "" if options.over else "it may not be opened, so whether it is in use cannot be told"
    by = ", ".join(f"{holder.command} (process {holder.pid})" for holder in locks.holders) or "another process"
    if hold.access is Access.WRITE and locks.written:
        return f"{by} is writing to it"
    if not locks.held:
        return ""
    if taken_over:
        return f"{by} has it open, and libvirt owns it until that ends"
    return "" if options.over and hold.access is Access.WRITE else f"{by} has it open"


def _foreign_change(hold: Hold, grant: Grant, wanted: FileState, together: FileState, present: FileNow) -> str:
    """What was changed by others since, empty when nothing was.

    libvirt is expected to give the file to the domain's user, and at shutdown to root when it remembers no owner. The kernel is
    expected to take away setuid and setgid. In the middle of a change of ours anything may be half done, and counts as ours.
    """
    if hold.phase is not Phase.APPLIED:
        return ""
    now, original, after = present.state, hold.file.original, hold.after
    known_owners = {(state.uid, state.gid) for state in (original, after, wanted)}
    if (now.uid, now.gid) not in known_owners and now.uid != grant.uid and (now.uid, now.gid) != (0, 0):
        return f"since the grant its owner was changed to {_owner(now)} (it was {_owner(original)})"
    bits = 0o7777 if present.directory else 0o7777 & ~CONTENT_BITS
    known_rights = {(state.mode & bits, state.acl) for state in (original, after, wanted, together)}
    if (now.mode & bits, now.acl) not in known_rights:
        return f"since the grant its mode or ACL was changed (mode {now.mode:04o}, it was {original.mode:04o})"
    return ""


def _without_content_rights(target: FileState, original: FileState, now: FileState) -> tuple[FileState, str]:
    """``target`` without setuid, setgid and capabilities, and the words for that, unless the file has them and its content is the same.

    A modification time is no proof, since an owner may set it. That the file still has all of these rights, and its owner, is one,
    as long as the kernel need not be told to set them again.
    """
    had = _content_rights(original)
    if not had:
        return target, ""
    same = _content_rights(now) == had and (now.uid, now.gid, now.modified) == (
        original.uid,
        original.gid,
        original.modified,
    )
    # Where only the ACL is written, the kernel leaves these bits alone; with chmod(2) they would be set anew.
    if same and (now.acl != target.acl or now.mode == target.mode):
        return target, ""
    xattrs = tuple((name, value) for name, value in target.xattrs if name != CAPABILITY_XATTR)
    words = ", ".join(word for word, _ in had)
    reason = f"without what it had before: {words}; its content may have changed"
    return replace(target, mode=target.mode & ~CONTENT_BITS, xattrs=xattrs), reason


def _content_rights(state: FileState) -> tuple[tuple[str, bytes], ...]:
    """What of the rights of a file, that is no directory, the kernel ties to its content."""
    found = [(word, b"") for word, bit in (("setuid", 0o4000), ("setgid", 0o2000)) if state.mode & bit]
    found += [("capabilities", value) for name, value in state.xattrs if name == CAPABILITY_XATTR]
    return tuple(found)


def _owner(state: FileState) -> str:
    return f"{user_name(state.uid)}:{group_name(state.gid)}"
