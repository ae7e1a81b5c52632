"""What the journal of jobs keeps: its tables, and the values that come out of them. Pure.

A job's plan is one text; what is found and done on the way is in rows. A row is checked before it is believed.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from diskchain.errors import ParseError
from diskchain.jobs.plan import Plan, plan_of
from diskchain.jobs.states import State
from diskchain.system.process import Holder

VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT, created INTEGER NOT NULL, verb TEXT NOT NULL, target TEXT NOT NULL,
    state TEXT NOT NULL, before TEXT, reason TEXT NOT NULL DEFAULT '', plan TEXT NOT NULL,
    owner_pid INTEGER, owner_started INTEGER, owner_boot TEXT
);
CREATE TABLE file (
    job INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE, path BLOB NOT NULL, noted TEXT NOT NULL,
    device TEXT NOT NULL, inode TEXT NOT NULL, birth INTEGER, size INTEGER NOT NULL, modified INTEGER NOT NULL,
    head TEXT NOT NULL, cluster BLOB, PRIMARY KEY (job, path, noted)
);
CREATE TABLE step (
    id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
    at INTEGER NOT NULL, state TEXT NOT NULL, phase TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE TABLE engine (
    id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
    pid INTEGER NOT NULL, started INTEGER NOT NULL, boot TEXT NOT NULL, exit INTEGER
);
"""

#: ``intent``: about to be done; ``outcome``: done.
Phase = Literal["intent", "outcome"]
#: When a file was looked at: before anything was done; when its data were durable; right before its pointer was to change; when made.
Noted = Literal["planned", "durable", "pointer", "made"]


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job of the journal.

    ``before``: the state it was in when it became undecidable, None in any other; ``reason``: why it stopped. ``owner``: the process that
    began or resumed it last. ``created`` in seconds since the epoch.
    """

    id: int
    created: int
    state: State
    before: State | None
    reason: str
    plan: Plan
    owner: Holder | None = None

    @property
    def progress(self) -> State:
        """How far it has come, also where nobody can decide how it goes on."""
        return self.state if self.before is None else self.before

    @property
    def running(self) -> bool:
        """Whether the process that works on it lives."""
        return self.owner is not None and self.owner.alive()


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One line of a job's history. ``at`` in seconds since the epoch."""

    at: int
    state: State
    phase: str
    detail: str


@dataclass(frozen=True, slots=True)
class Damage:
    """A job whose record cannot be read, and why."""

    id: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job of the journal and its history."""

    job: JobRecord
    history: tuple[StepRecord, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """What the journal has; ``damage``: records that cannot be read."""

    jobs: tuple[ListedJob, ...] = ()
    damage: tuple[Damage, ...] = ()


JOB_COLUMNS: Final = "id, created, state, before, reason, plan, owner_pid, owner_started, owner_boot"


def job_of(row: tuple[Any, ...]) -> JobRecord:
    """A row of :data:`JOB_COLUMNS`. Raises ParseError."""
    id, created, state, before, reason, plan, pid, started, boot = row
    for value, kind in ((id, int), (created, int), (state, str), (reason, str), (plan, str)):
        if not isinstance(value, kind):
            raise ParseError("a column has another type than it should")
    owner = Holder(pid, started, boot) if isinstance(pid, int) and isinstance(started, int) else None
    try:
        return JobRecord(
            id, created, State(state), None if before is None else State(before), reason, plan_of(plan), owner
        )
    except ValueError as error:
        raise ParseError(f"no state of a job: {error}") from error
