"""Gives back what jobs were granted: each file gets the state the journal has, and the journal forgets it afterwards.

Order of events for one file: the journal says it is being given back; the file is written; that is on the disk; the
journal forgets. Dying in between leaves the original in the journal, and the next revert does it again.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace

from diskchain.access.grants.file_state import open_rights
from diskchain.access.grants.journal import Journal
from diskchain.access.grants.journal_schema import FileRecord, Hold, Job, Phase
from diskchain.access.grants.revert_rules import GENTLE, Result, Urgency, decide
from diskchain.access.image_locks import image_locks
from diskchain.errors import DiskchainError, StorageError, StorageMissing, StorageTimeout
from diskchain.system.deadline import DEFAULT_DEADLINE, within
from diskchain.system.file_handle import Fate, Whereabouts, whereabouts
from diskchain.system.process import boot_id

_DONE = (Result.RESTORED, Result.SHARED, Result.DELETED, Result.FORGOTTEN)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file of a job. ``done``: the journal no longer has it for this job."""

    job: int
    path: str
    result: Result
    reason: str = ""

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.result in _DONE


class _Replaced(StorageError):
    """Another file is at the recorded path."""


def revert(
    journal: Journal,
    jobs: Iterable[int] | None = None,
    urgency: Urgency = GENTLE,
    *,
    forget: bool = False,
    seconds: float = DEFAULT_DEADLINE,
) -> tuple[Outcome, ...]:
    """Gives back the jobs with these numbers; None: every job whose holder no longer lives.

    ``forget``: drop what cannot be given back from the journal, files untouched. ``seconds``: what a file has for each answer.
    Never raises for a single file: its outcome says what went wrong.
    """
    with journal.alone():
        found = journal.jobs()
        if jobs is None:
            chosen = [job for job in found if job.holder is None or not job.holder.alive()]
        else:
            numbers = set(jobs)
            chosen = [job for job in found if job.id in numbers]
        return tuple(
            outcome for job in chosen for outcome in revert_job(job, journal, urgency, forget=forget, seconds=seconds)
        )


def revert_job(
    job: Job, journal: Journal, urgency: Urgency = GENTLE, *, forget: bool = False, seconds: float = DEFAULT_DEADLINE
) -> tuple[Outcome, ...]:
    """Gives one job back, last change first. The caller holds the journal's lock."""
    outcomes = []
    for hold in reversed(journal.holds(job.id)):
        outcome = _revert_hold(hold, job, journal, urgency, seconds)
        if forget and not outcome.done:
            journal.release(hold)
            outcome = replace(outcome, result=Result.FORGOTTEN)
        outcomes.append(outcome)
    journal.end(job)
    return tuple(outcomes)


def _revert_hold(hold: Hold, job: Job, journal: Journal, urgency: Urgency, seconds: float) -> Outcome:
    path = hold.file.path
    try:
        with open_rights(path, seconds=seconds) as file:
            _check(hold.file, file.identity().same(hold.file.identity, rebooted=hold.file.boot != boot_id()))
            others = [other for other in journal.holds() if other.file.id == hold.file.id and other.job != job.id]
            decision = decide(hold, job, others, file.state(), file.ask(lambda: image_locks(file.link)), urgency)
            if decision.target is None:
                return Outcome(job.id, path, decision.result, decision.reason)
            journal.set_phase(hold, Phase.REVERTING)
            file.write(decision.target, times=urgency.times)
            file.sync()
            journal.release(hold)
            return Outcome(job.id, path, decision.result)
    except (StorageMissing, _Replaced) as error:
        return _lost(hold, job, journal, replaced=isinstance(error, _Replaced), seconds=seconds)
    except StorageTimeout as error:
        return Outcome(job.id, path, Result.SILENT, error.problem)
    except DiskchainError as error:
        return Outcome(job.id, path, Result.FAILED, str(error))


def _check(file: FileRecord, same: bool) -> None:  # noqa: FBT001 - a private guard
    if not same:
        raise _Replaced("another file has taken its place", path=file.path)


def _look_for(file: FileRecord, seconds: float) -> Whereabouts:
    """Asks the file system for the inode itself, if the one the file was on is still mounted there."""
    directory = os.path.dirname(file.path)
    try:
        return within(seconds, directory, lambda: _look_below(directory, file))
    except StorageTimeout:
        return Whereabouts(Fate.UNKNOWN)


def _look_below(directory: str, file: FileRecord) -> Whereabouts:
    try:
        same = file.boot == boot_id() and os.stat(directory).st_dev == file.identity.device
        mounted = same and os.statvfs(directory).f_fsid == file.identity.filesystem
    except OSError:
        mounted = False
    return whereabouts(file.identity.handle, directory) if mounted else Whereabouts(Fate.UNKNOWN)


def _lost(hold: Hold, job: Job, journal: Journal, *, replaced: bool, seconds: float) -> Outcome:
    """The file is not where it was. When it no longer exists anywhere, nothing is left to give back."""
    path = hold.file.path
    found = _look_for(hold.file, seconds)
    if found.fate is Fate.DELETED and not replaced:
        journal.release(hold)
        return Outcome(job.id, path, Result.DELETED)
    reason = "another file has taken its place" if replaced else "nothing is there any more"
    if found.fate is Fate.MOVED:
        reason += f"; the one we know is now {found.path}" if found.path else "; the one we know was moved"
    elif found.fate is Fate.DELETED:
        reason += "; the one we know is deleted"
    return Outcome(job.id, path, Result.REFUSED, reason)
