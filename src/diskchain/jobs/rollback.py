"""Takes a job back: the old chain in force again, and what the job made gone. Only while no byte can be lost by it."""

import os
from collections.abc import Iterator

from diskchain.errors import StorageError
from diskchain.findings import finding
from diskchain.jobs import document, files, pointers
from diskchain.jobs.engines.interface import Keys
from diskchain.jobs.events import Event, JobStopped
from diskchain.jobs.evidence import look, same_file, unchanged
from diskchain.jobs.journal import JobJournal
from diskchain.jobs.journal_schema import JobRecord
from diskchain.jobs.others import search
from diskchain.jobs.states import State, reached


def roll_back(job: JobRecord, journal: JobJournal, keys: Keys) -> Iterator[Event]:
    """Take ``job`` back, whose files the caller has locked. Raises JobStopped where that would lose data, StorageError, JournalError."""
    if job.state is State.ROLLED_BACK:
        return
    problem = why_not(job, journal)
    if problem is not None:
        raise JobStopped(job.id, job.progress, (finding("job-undecidable", problem[0], file=problem[1]),))
    plan = job.plan
    journal.note(job.id, job.state, "intent", "roll back")
    if plan.document is not None and reached(job.progress, State.RE_POINTED):
        said = document.take_back(plan.document)
        if said is not None:
            raise JobStopped(job.id, job.progress, (finding("job-undecidable", said, file=plan.document.origin),))
    for pointer in plan.repoints:
        said = pointers.take_back(job, journal, pointer, keys)
        if said is not None:
            raise JobStopped(job.id, job.progress, (finding("job-undecidable", said, file=pointer.path),))
    gone = _unmake(job, journal)
    journal.advance(job, State.ROLLED_BACK, gone)
    yield Event("state", job.id, State.ROLLED_BACK, gone)


def why_not(job: JobRecord, journal: JobJournal) -> tuple[str, str] | None:
    """Why taking the job back would lose data, and the file; None when it would not."""
    plan = job.plan
    for seen in plan.files:
        try:
            now = look(seen.path)
        except StorageError as error:
            return f"{seen.path} is needed for that and cannot be read: {error.problem}", seen.path
        if not same_file(now.seen, seen):
            return f"{seen.path} is another file than the job worked on", seen.path
    needed = _needed(job, journal)
    if needed is not None:
        return needed
    active = plan.layers[plan.new[0]].path
    if active is None or plan.new[0] == plan.old[0] or not reached(job.progress, State.RE_POINTED):
        return None
    noted = journal.file(job.id, "durable", active)
    if noted is not None and not unchanged(look(active).seen, noted.seen):
        return f"{active} was written to since the job: that would be lost", active
    return None


def _needed(job: JobRecord, journal: JobJournal) -> tuple[str, str] | None:
    """Why the file that the job made may be needed by now, and that file; None when it is not, or is not there."""
    new = job.plan.creates
    made = None if new is None else journal.file(job.id, "made", new.path)
    if new is None or made is None or not os.path.lexists(new.path):
        return None
    if job.plan.verb == "copy" and job.progress is State.CLEANED and job.plan.document is None:
        return f"the copy {new.path} is finished and may be in use: delete it yourself when nothing needs it", new.path
    for other in journal.jobs()[0]:
        later = other.id > job.id and other.state is not State.ROLLED_BACK
        if later and any(same_file(seen, made.seen) for seen in other.plan.files):
            return f"{new.path} would be deleted, and job {other.id} has worked on it since", new.path
    for overlay in search([new.path], [os.path.dirname(new.path)]).overlays:
        if not any(layer.path == overlay.path for layer in job.plan.layers):
            return f"{new.path} would be deleted, and {overlay.path} relies on it", new.path
    return None


def _unmake(job: JobRecord, journal: JobJournal) -> str:
    new = job.plan.creates
    if new is None:
        return ""
    made = journal.file(job.id, "made", new.path)
    if made is not None:
        journal.note(job.id, job.state, "intent", f"delete {new.path}")
        return f"deleted {new.path}" if files.delete(new.path, made.seen) else ""
    claimed = any(step.phase == "intent" and step.detail == f"make {new.path}" for step in journal.history(job.id))
    if claimed and files.is_empty_file(new.path):
        files.delete(new.path, look(new.path).seen)
        return f"deleted {new.path}"
    return ""
