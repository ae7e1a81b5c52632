"""Carries a plan out: notes each file's original state, then changes it, one file after the other.

Order of events for one file, each finished before the next begins: the journal has the original on the disk; the file
is changed; the change is on the disk; the journal says so. Whatever happens in between, ``revert`` finds the original.
"""

from dataclasses import dataclass

from diskchain.access.grants.changes import SetOwner, changed, merge
from diskchain.access.grants.file_state import open_rights
from diskchain.access.grants.journal import Journal
from diskchain.access.grants.journal_schema import FileRecord, Job, Phase
from diskchain.access.grants.plan import Plan, Step
from diskchain.access.grants.revert import Outcome, revert_job
from diskchain.access.grants.revert_rules import Urgency
from diskchain.access.security.before_libvirt import before_libvirt
from diskchain.access.security.saved_labels import boot_times, remembered
from diskchain.errors import ParseError, StorageError
from diskchain.system.deadline import DEFAULT_DEADLINE
from diskchain.system.process import Holder, boot_id


@dataclass(frozen=True, slots=True)
class Granted:
    """What :func:`apply` did: the job, the paths it changed, and the paths it only took down."""

    job: Job
    changed: tuple[str, ...]
    recorded: tuple[str, ...]


class GrantFailed(StorageError):
    """A step failed. What a new job had changed before was given back; ``given_back`` tells how that went."""

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
    """Makes the changes of ``plan`` as one job, or none of them.

    The same target, operation and user again is the same job: what it already has stays. ``holder``: the process the
    rights are for; a sweep leaves the job alone while it lives. ``seconds``: what a file has for each answer. What one that gives none
    was changed to cannot be known, so the journal keeps it until it is reverted.
    Raises GrantFailed when a file cannot be changed, or is not the file that was judged.
    """
    with journal.alone():
        known = {job.id for job in journal.jobs()}
        job = journal.begin(target, operation, plan.who.uid, plan.who.gid, holder)
        for step in plan.steps:
            try:
                _apply_step(step, job, journal, seconds)
            except StorageError as error:
                given_back = (
                    () if job.id in known else revert_job(job, journal, Urgency(over=True, force=True), seconds=seconds)
                )
                raise GrantFailed(error, given_back) from error
    changing = tuple(step.path for step in plan.changing)
    return Granted(job, changing, tuple(step.path for step in plan.steps if not step.changes))


def _check_owner(step: Step, job: Job, journal: Journal, record: FileRecord) -> None:
    """A file has one owner: two jobs for two users cannot both be it."""
    wanted = {change.uid for change in step.changes if isinstance(change, SetOwner)}
    for hold in journal.holds() if wanted else ():
        taken = {change.uid for change in hold.changes if isinstance(change, SetOwner)}
        if hold.file.id == record.id and hold.job != job.id and taken and taken != wanted:
            raise StorageError(f"job {hold.job} made somebody else its owner", path=step.path)


def _apply_step(step: Step, job: Job, journal: Journal, seconds: float) -> None:
    with open_rights(step.path, seconds=seconds) as file:
        identity = file.identity()
        if (identity.device, identity.inode, identity.birth) != (step.device, step.inode, step.birth):
            raise StorageError("it was replaced while the plan was made", path=step.path)
        now, boot = file.state(), boot_id()
        original = before_libvirt(now, file.ask(lambda: remembered(file.link)), boot_times())
        record = journal.find_file(identity, boot) or FileRecord(0, step.path, identity, boot, original)
        _check_owner(step, job, journal, record)
        before = [hold for hold in journal.holds(job.id) if hold.file.id == record.id]
        changes = merge([change for hold in before for change in hold.changes] + list(step.changes))
        try:
            target = changed(now, changes)
        except ParseError as error:
            raise StorageError(error.problem, path=step.path) from error
        hold = journal.hold(job, record, changes, step.access, target)
        file.write(target)
        file.sync()
        journal.set_phase(hold, Phase.APPLIED, file.state())
