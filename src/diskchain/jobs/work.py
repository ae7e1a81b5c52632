"""Begins, resumes and takes back jobs: with the files of a job locked, its engines of before ended, and the evidence looked at.

The one way into ``run`` and ``rollback``. What is found decides: files that are not the job's any more make it undecidable, and then
nothing is changed.
"""

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from diskchain.errors import StorageError, UsageError
from diskchain.findings import Finding, finding
from diskchain.jobs import pointers
from diskchain.jobs.engines.interface import Engine, Keys
from diskchain.jobs.events import Event, JobRefused, JobStopped
from diskchain.jobs.evidence import PointerState, look, same_file, unchanged
from diskchain.jobs.journal import JobJournal
from diskchain.jobs.journal_schema import JobRecord
from diskchain.jobs.lock import ChainLock
from diskchain.jobs.plan import Plan
from diskchain.jobs.rollback import roll_back
from diskchain.jobs.run import Runner
from diskchain.jobs.states import FINAL, State, reached

_GRACE_MS = 20_000


def begin(plan: Plan, state: Path, engine: Engine, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
    """Carry out ``plan`` as a new job. ``state``: the directory of the journal.

    Raises JobRefused where a file is not as it was planned with, Busy, and what :class:`~diskchain.jobs.run.Runner` raises.
    """
    with JobJournal(state) as journal, _locked(plan) as lock:
        changed = [seen.path for seen in plan.files if not unchanged(look(seen.path).seen, seen)]
        if changed:
            raise JobRefused(tuple(_changed(path) for path in changed))
        job = journal.begin(plan)
        yield Event("state", job.id, job.state)
        try:
            yield from Runner(job, journal, engine, lock, stop).events()
        finally:
            journal.let_go(job.id)


def _changed(path: str) -> Finding:
    return finding("job-file-changed", f"{path} has changed since the job was planned", file=path)


def resume(id: int, state: Path, engine: Engine, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
    """Carry on with a job. Does nothing for one that is done. Raises UsageError for a number of no job; as :func:`begin`."""
    with JobJournal(state, "change") as journal:
        job = journal.job(id)
        if job.state in FINAL:
            return
        with _locked(job.plan, gone=reached(job.progress, State.RE_POINTED)) as lock:
            job = journal.job(id)  # as whoever held the locks left it
            if job.state in FINAL:
                return
            journal.take_over(id)
            try:
                _end_engines(job, journal)
                job = _decided(job, journal)
                yield from Runner(job, journal, engine, lock, stop).events()
            finally:
                journal.let_go(id)


def take_back(id: int, state: Path, keys: Keys) -> Iterator[Event]:
    """Roll a job back. ``keys``: of encrypted layers. Raises JobStopped where that would lose data; as :func:`resume`."""
    with JobJournal(state, "change") as journal:
        job = journal.job(id)
        with _locked(job.plan, gone=True):
            journal.take_over(id)
            try:
                _end_engines(job, journal)
                yield from roll_back(journal.job(id), journal, keys)
            finally:
                journal.let_go(id)


def end_owner(job: JobRecord) -> None:
    """Have the process that works on a job pause it, and wait until it has. Raises StorageError when it does not."""
    owner = job.owner
    if owner is None or not owner.alive():
        return
    if owner.pid == os.getpid():
        raise UsageError(f"job {job.id} is being run by this process")
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(owner.pid)
        try:
            if owner.alive():
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
                if not _ended(descriptor):
                    raise UsageError(f"process {owner.pid}, which runs job {job.id}, does not end")
        finally:
            os.close(descriptor)


def _ended(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(_GRACE_MS))


@contextmanager
def _locked(plan: Plan, *, gone: bool = False) -> Iterator[ChainLock]:
    """The files of a plan, locked. ``gone``: those that are not there any more do not count."""
    written = {*plan.written, *(pointer.path for pointer in plan.repoints), *plan.delete}
    read = {seen.path for seen in plan.files} - written
    if gone:
        written, read = ({path for path in some if os.path.lexists(path)} for some in (written, read))
    with ChainLock(written, read) as lock:
        yield lock


def _end_engines(job: JobRecord, journal: JobJournal) -> None:
    """An engine dies with whoever started it; should one still live, it is ended, and waited for."""
    for engine in journal.engines(job.id):
        if not engine.alive():
            continue
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(engine.pid)
            try:
                if engine.alive():
                    signal.pidfd_send_signal(descriptor, signal.SIGTERM)
                    signal.pidfd_send_signal(descriptor, signal.SIGCONT)  # one that is stopped heeds nothing else
                    if not _ended(descriptor):
                        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                        _ended(descriptor)
            finally:
                os.close(descriptor)


def _decided(job: JobRecord, journal: JobJournal) -> JobRecord:
    """The job in the state that the evidence says it is in. Raises JobStopped where that cannot be told."""
    problem = _contradiction(job, journal)
    if problem is not None:
        if job.state is not State.UNDECIDABLE:
            job = journal.advance(job, State.UNDECIDABLE, problem[0])
        raise JobStopped(job.id, job.progress, (finding("job-undecidable", problem[0], file=problem[1]),))
    if job.state is State.UNDECIDABLE:
        job = journal.advance(job, job.progress, "the evidence says so now")
    return job


def _contradiction(job: JobRecord, journal: JobJournal) -> tuple[str, str] | None:
    """Why the evidence does not fit the journal, and the file; None when it does."""
    pointed = reached(job.progress, State.RE_POINTED)
    for seen in job.plan.files:
        try:
            now = look(seen.path)
        except StorageError as error:
            if pointed and seen.path in job.plan.delete:
                continue
            return f"{seen.path} cannot be read: {error.problem}", seen.path
        if not same_file(now.seen, seen):
            return f"{seen.path} is another file than the job worked on", seen.path
    for pointer in job.plan.repoints:
        standing = pointers.standing(job, journal, pointer)
        if standing is PointerState.FOREIGN:
            return (
                f"the header of {pointer.path} names neither what it named before nor what it shall name",
                pointer.path,
            )
        if pointed and standing is not PointerState.NEW:
            return f"the header of {pointer.path} names what it named before the job", pointer.path
    return None
