"""What giving back does to one file: the state it gets, or why it stays as it is. Pure, one function.

The original goes back when the last job lets go; before that, what the other jobs hold stays. A file that QEMU has open,
or that somebody else changed meanwhile, is left alone and named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from diskchain.access.grants.changes import FileState, SetOwner, changed
from diskchain.access.grants.journal_schema import Hold, Job, Phase
from diskchain.access.image_locks import ImageLocks
from diskchain.access.kernel.identity import group_name, user_name
from diskchain.access.requirements import Access


class Result(StrEnum):
    """What became of one hold."""

    RESTORED = "restored"
    #: Another job holds the file; only what this job alone needed is gone.
    SHARED = "still held by another job"
    DELETED = "the file is deleted"
    FORGOTTEN = "forgotten"
    KEPT = "kept, in use"
    REFUSED = "refused"
    #: It may or may not have been given back. The journal keeps it.
    SILENT = "no answer"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Urgency:
    """How much the caller insists.

    ``over``: the job is known to be over, so files that are merely read are given back. ``force``: give back whatever
    is in the way. ``times``: put back access and modification times, too.
    """

    over: bool = False
    force: bool = False
    times: bool = False


#: Leave alone what is in use or was changed by somebody else.
GENTLE: Final = Urgency()


@dataclass(frozen=True, slots=True)
class Decision:
    """``target`` is the state to write, None when the file is left alone for ``reason``."""

    result: Result
    target: FileState | None = None
    reason: str = ""


def decide(
    hold: Hold, job: Job, others: Sequence[Hold], now: FileState, locks: ImageLocks | None, urgency: Urgency
) -> Decision:
    """What giving back ``hold`` of ``job`` does. ``others``: the holds of other jobs on the same file.

    ``now`` is the file's present state, ``locks`` the image locks others hold on it (None: could not ask).
    """
    remaining = tuple(change for other in others for change in other.changes)
    original = hold.file.original
    wanted = changed(original, remaining)
    held = locks or ImageLocks()
    ours = any(isinstance(change, SetOwner) for change in hold.changes)
    taken_over = not ours and (now.uid, now.gid) != (original.uid, original.gid)
    if not urgency.force:
        used = _use(hold, held, urgency, taken_over=taken_over)
        if used:
            return Decision(Result.KEPT, reason=used)
        meddling = _meddling(hold, job, wanted, changed(original, (*hold.changes, *remaining)), now)
        if meddling:
            return Decision(Result.REFUSED, reason=meddling)
    if not others:
        target = original
    elif taken_over:
        target = replace(wanted, uid=now.uid, gid=now.gid, xattrs=now.xattrs)
    else:
        target = replace(wanted, xattrs=now.xattrs)
    if not urgency.times:
        target = replace(target, accessed=now.accessed, modified=now.modified)
    return Decision(Result.SHARED if others else Result.RESTORED, target)


def _use(hold: Hold, locks: ImageLocks, urgency: Urgency, *, taken_over: bool) -> str:
    """Why the file counts as still used, empty when it does not."""
    by = ", ".join(f"{holder.command} (process {holder.pid})" for holder in locks.holders) or "another process"
    if hold.access is Access.WRITE and locks.written:
        return f"{by} is writing to it"
    if not locks.held:
        return ""
    if taken_over:
        return f"{by} has it open, and libvirt owns it until that ends"
    return "" if urgency.over and hold.access is Access.WRITE else f"{by} has it open"


def _meddling(hold: Hold, job: Job, wanted: FileState, together: FileState, now: FileState) -> str:
    """What somebody else changed since, empty when nobody did.

    libvirt is expected to give the file to the domain's user, and at shutdown to root when it remembers no owner.
    In the middle of a change of ours anything may be half done, so nothing is held against anybody.
    """
    if hold.phase is not Phase.APPLIED:
        return ""
    original, after = hold.file.original, hold.after
    known_owners = {(state.uid, state.gid) for state in (original, after, wanted)}
    if (now.uid, now.gid) not in known_owners and now.uid != job.uid and (now.uid, now.gid) != (0, 0):
        there, before = _owner(now), _owner(original)
        return f"somebody changed its owner to {there} meanwhile (it was {before})"
    known_rights = {(state.mode, state.acl) for state in (original, after, wanted, together)}
    if (now.mode, now.acl) not in known_rights:
        return f"somebody changed its mode or ACL meanwhile (mode {now.mode:04o}, it was {original.mode:04o})"
    return ""


def _owner(state: FileState) -> str:
    return f"{user_name(state.uid)}:{group_name(state.gid)}"
