"""``jobs``, ``resume``, ``rollback``, ``cancel``, and carrying out a plan: with the journal in the state directory."""

from collections.abc import Callable, Iterator
from pathlib import Path

from diskchain.actions.job_keys import job_keys
from diskchain.actions.job_plans import PlannedJob
from diskchain.actions.keys import NO_KEYS, KeyPlaces
from diskchain.errors import UsageError
from diskchain.findings import Severity
from diskchain.jobs import work
from diskchain.jobs.engines.interface import NoKeys
from diskchain.jobs.engines.storage_daemon import StorageDaemonEngine
from diskchain.jobs.events import Event, JobRefused
from diskchain.jobs.journal import JobJournal, journal_exists
from diskchain.jobs.journal_schema import Listed, ListedJob
from diskchain.jobs.states import FINAL, State, reached

Stop = Callable[[], bool]


def never() -> bool:
    """Nobody asks to stop."""
    return False


def run(planned: PlannedJob, state: Path, stop: Stop = never, places: KeyPlaces = NO_KEYS) -> Iterator[Event]:
    """Carry a plan out. ``places``: where the keys of encrypted layers are.

    Raises JobRefused, JobStopped, JobPaused, StorageError, JournalError, SecretError.
    """
    if planned.plan is None or planned.refused:
        raise JobRefused(tuple(found for found in planned.findings if found.severity is Severity.ERROR))
    if planned.plan.nothing_to_do:
        return
    with job_keys(places) as keys:
        keys.check(planned.plan)
        yield from work.begin(planned.plan, state, StorageDaemonEngine(keys), stop)


def listed(state: Path, *, finished: bool = False) -> Listed:
    """The jobs that are not finished, or all. Raises JournalError."""
    if not journal_exists(state):
        return Listed()
    with JobJournal(state, "read") as journal:
        jobs, damage = journal.jobs()
        wanted = [job for job in jobs if finished or job.state not in FINAL]
        return Listed(tuple(ListedJob(job, tuple(journal.history(job.id))) for job in wanted), tuple(damage))


def open_jobs(state: Path) -> tuple[int, ...]:
    """The numbers of the jobs that are not finished and that no process works on, oldest first. Raises JournalError."""
    return tuple(each.job.id for each in listed(state).jobs if not each.job.running)


def resume(id: int, state: Path, stop: Stop = never, places: KeyPlaces = NO_KEYS) -> Iterator[Event]:
    """Carry on with a job. Raises UsageError for a number of no job, and as :func:`run`."""
    _refuse_unknown(id, state)
    with job_keys(places) as keys:
        yield from work.resume(id, state, StorageDaemonEngine(keys), stop)


def rollback(id: int, state: Path, places: KeyPlaces = NO_KEYS) -> Iterator[Event]:
    """Have the old chain in force again, and what the job made gone. Raises as :func:`resume`."""
    _refuse_unknown(id, state)
    with job_keys(places) as keys:
        yield from work.take_back(id, state, keys)


def cancel(id: int, state: Path) -> Iterator[Event]:
    """End a job that has not moved a pointer yet, wherever it runs, and take it back. Raises UsageError for one that has."""
    _refuse_unknown(id, state)
    with JobJournal(state, "read") as journal:
        job = journal.job(id)
    if job.state in FINAL:
        return
    work.end_owner(job)
    with JobJournal(state, "read") as journal:
        job = journal.job(id)
    if reached(job.progress, State.RE_POINTED):
        raise UsageError(
            f"job {id} is {job.progress}: `diskchain resume {id}` finishes it, `diskchain rollback {id}` takes it back"
        )
    yield from work.take_back(id, state, NoKeys())


def _refuse_unknown(id: int, state: Path) -> None:
    if not journal_exists(state):
        raise UsageError(f"there is no job {id}")
