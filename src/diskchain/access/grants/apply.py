"""Carries a plan out: notes each file's original state, then changes it, one file after the other.

Order of events for one file, each finished before the next begins: the journal has the original on the disk; the file
is changed; the change is on the disk; the journal says so. Whatever happens in between, ``revert`` finds the original.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from diskchain.access.grants.changes import SetOwner, changed, merge
from diskchain.access.grants.file_state import open_rights
from diskchain.access.grants.journal import Journal
from diskchain.access.grants.journal_schema import FileRecord, Grant, Phase, describe_damage
from diskchain.access.grants.plan import Plan, Step
from diskchain.access.grants.revert import Outcome, revert_grant
from diskchain.access.grants.revert_rules import Result, RevertOptions
from diskchain.access.security.before_libvirt import before_libvirt
from diskchain.access.security.saved_labels import boot_times, saved_labels
from diskchain.errors import JournalError, ParseError, StorageError
from diskchain.system.deadline import DEFAULT_DEADLINE
from diskchain.system.process import Holder, boot_id


@dataclass(frozen=True, slots=True)
class Granted:
    """What :func:`apply` did: the grant, the paths it changed, and the paths it only recorded."""

    grant: Grant
    changed: tuple[str, ...]
    recorded: tuple[str, ...]


class GrantFailed(StorageError):
    """A step failed. What a new grant had changed before was given back; ``given_back`` tells how that went."""

    def __init__(self, cause: StorageError, given_back: tuple[Outcome, ...]) -> None:
        super().__init__(cause.problem, path=cause.path)
        self.given_back = given_back


def apply(
    plan: Plan,
    journal: Journal,
    *,
    target: str,
    operation: str,
    holder: Holder | None = None,
    seconds: float = DEFAULT_DEADLINE,
) -> Granted:
    """Makes the changes of ``plan`` as one grant, or none of them.

    The same target, operation and user again is the same grant: what it already has stays. ``holder``: the process the
    rights are for; a sweep leaves the grant alone while it lives. ``seconds``: what a file has for each answer. What one that gives none
    was changed to cannot be known, so the journal keeps it until it is reverted.
    Raises GrantFailed when a file cannot be changed, or is not the file that was judged, JournalError for a journal with a damaged
    record: the state it lost must not be recorded anew.
    """
    with journal.exclusive():
        before = journal.contents()
        if before.damage:
            raise JournalError(describe_damage(before.damage[0]), path=str(journal.path))
        grant = journal.begin(target, operation, plan.who.uid, plan.who.gid, holder)
        for step in plan.steps:
            try:
                _apply_step(step, grant, journal, seconds)
            except StorageError as error:
                raise GrantFailed(error, _give_back(grant, before.grants, journal, seconds)) from error
    changing = tuple(step.path for step in plan.changing)
    return Granted(grant, changing, tuple(step.path for step in plan.steps if not step.changes))


def _give_back(grant: Grant, known: Sequence[Grant], journal: Journal, seconds: float) -> tuple[Outcome, ...]:
    """Gives a grant back that failed half-way, unless it was there before. What cannot be given back stays in the journal."""
    if any(grant.id == each.id for each in known):
        return ()
    try:
        holds = journal.holds(grant.id)
    except JournalError as error:
        return (Outcome(grant.id, None, Result.FAILED, error.problem),)
    return revert_grant(grant, holds, journal, RevertOptions(over=True, force=True), seconds=seconds)


def _check_owner(step: Step, grant: Grant, journal: Journal, record: FileRecord) -> None:
    """A file has one owner: two grants for two users cannot both be it."""
    wanted = {change.uid for change in step.changes if isinstance(change, SetOwner)}
    for hold in journal.holds() if wanted else ():
        taken = {change.uid for change in hold.changes if isinstance(change, SetOwner)}
        if hold.file.id == record.id and hold.grant != grant.id and taken and taken != wanted:
            raise StorageError(f"grant {hold.grant} made another user its owner", path=step.path)


def _apply_step(step: Step, grant: Grant, journal: Journal, seconds: float) -> None:
    with open_rights(step.path, seconds=seconds) as file:
        identity = file.identity()
        if (identity.device, identity.inode, identity.birth) != (step.device, step.inode, step.birth):
            raise StorageError("it was replaced while the plan was made", path=step.path)
        now, boot = file.state(), boot_id()
        original = before_libvirt(now, file.ask(lambda: saved_labels(file.link)), boot_times())
        record = journal.find_file(identity, boot) or FileRecord(0, step.path, identity, boot, original)
        _check_owner(step, grant, journal, record)
        before = [hold for hold in journal.holds(grant.id) if hold.file.id == record.id]
        changes = merge([change for hold in before for change in hold.changes] + list(step.changes))
        try:
            target = changed(now, changes)
        except ParseError as error:
            raise StorageError(error.problem, path=step.path) from error
        hold = journal.hold(grant, record, changes, step.access, target)
        file.write(target)
        file.sync()
        journal.set_phase(hold, Phase.APPLIED, file.state())
