"""The journal of jobs: every plan, how far it has come, and what the files were like. Beside the journal of grants, a file of its own.

What is about to be done is written before it is done, what was done after it, each synced to the disk before the call returns. So
whoever comes next, after any instant, finds what may have happened. Knows values, never touches the files it speaks of.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from diskchain.errors import JournalError, ParseError, UsageError
from diskchain.jobs.evidence import Head
from diskchain.jobs.journal_schema import (
    JOB_COLUMNS,
    SCHEMA,
    VERSION,
    Damage,
    JobRecord,
    Noted,
    Phase,
    StepRecord,
    job_of,
)
from diskchain.jobs.plan import Plan, SeenFile, plan_text
from diskchain.jobs.states import NEXT, State
from diskchain.system import journal_file
from diskchain.system.deadline import DEFAULT_DEADLINE
from diskchain.system.journal_file import Mode, errors_of, transaction
from diskchain.system.process import Holder, boot_id, holder_of

T = TypeVar("T")

#: The journal as a file.
KIND: Final = journal_file.Kind("jobs.db", "jobs on chains", SCHEMA, VERSION)


def journal_exists(directory: Path) -> bool:
    """Whether there is a journal of jobs, whatever it is like. Raises JournalError when that cannot be told."""
    return journal_file.exists(KIND, directory)


class JobJournal:
    """An open journal. Use as a context manager. Every method that writes returns after the write is on the disk.

    ``mode`` ``read`` changes and makes nothing. Raises JournalError when it cannot be used.
    """

    def __init__(self, directory: Path, mode: Mode = "create", *, seconds: float = DEFAULT_DEADLINE) -> None:
        self.path = directory / KIND.name
        if mode == "create":
            journal_file.make_directory(directory)
            journal_file.make_file(KIND, directory)
        self._database = journal_file.open_file(KIND, directory, mode, seconds).database

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def begin(self, plan: Plan) -> JobRecord:
        """A new job, planned; its owner is this process."""
        row = (int(time.time()), plan.verb, _plain(plan.target), State.PLANNED, plan_text(plan), *_owner())

        def write(database: sqlite3.Connection) -> int:
            (id,) = database.execute(
                "INSERT INTO job (created, verb, target, state, plan, owner_pid, owner_started, owner_boot)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                row,
            ).fetchone()
            return int(id)

        return self.job(self._write(write))

    def job(self, id: int) -> JobRecord:
        """The job with that number. Raises UsageError when there is none, JournalError when its record is damaged."""
        rows = self._read(f"SELECT {JOB_COLUMNS} FROM job WHERE id = ?", id)  # noqa: S608 - columns of ours
        if not rows:
            raise UsageError(f"there is no job {id}")
        with errors_of(self.path):
            return job_of(rows[0])

    def jobs(self) -> tuple[list[JobRecord], list[Damage]]:
        """All jobs, oldest first, and those that cannot be read."""
        found: list[JobRecord] = []
        damage: list[Damage] = []
        for row in self._read(f"SELECT {JOB_COLUMNS} FROM job ORDER BY id"):  # noqa: S608 - columns of ours
            try:
                found.append(job_of(row))
            except ParseError as error:
                damage.append(Damage(row[0] if isinstance(row[0], int) else None, str(error)))
        return found, damage

    def take_over(self, id: int) -> None:
        """This process works on the job from now on."""
        self._write(
            lambda database: database.execute(
                "UPDATE job SET owner_pid = ?, owner_started = ?, owner_boot = ? WHERE id = ?", (*_owner(), id)
            )
        )

    def let_go(self, id: int) -> None:
        """No process works on the job any more."""
        self._write(
            lambda database: database.execute(
                "UPDATE job SET owner_pid = NULL, owner_started = NULL, owner_boot = NULL WHERE id = ?", (id,)
            )
        )

    def note(self, id: int, state: State, phase: Phase, detail: str) -> None:
        """What is about to be done in ``state``, or was."""
        self._write(lambda database: _insert_step(database, id, state, phase, detail))

    def advance(self, job: JobRecord, state: State, detail: str = "") -> JobRecord:
        """``state`` is so now. Raises ValueError where the table of states does not have it next."""
        if state not in NEXT[job.state]:
            raise ValueError(f"no job goes from {job.state} to {state}")
        before = job.progress if state is State.UNDECIDABLE else None
        reason = detail if state is State.UNDECIDABLE else ""

        def write(database: sqlite3.Connection) -> None:
            database.execute(
                "UPDATE job SET state = ?, before = ?, reason = ? WHERE id = ?", (state, before, _plain(reason), job.id)
            )
            _insert_step(database, job.id, state, "outcome", detail)

        self._write(write)
        return self.job(job.id)

    def stopped(self, id: int, reason: str) -> None:
        """Why it does not go on by itself; empty: it does."""
        self._write(lambda database: database.execute("UPDATE job SET reason = ? WHERE id = ?", (_plain(reason), id)))

    def note_file(self, id: int, noted: Noted, head: Head) -> None:
        """What a file is like now; replaces what was noted of it at the same point before. Its first cluster is kept, too."""
        seen = head.seen
        row = (id, os.fsencode(seen.path), noted, str(seen.device), str(seen.inode), seen.birth, seen.size)
        self._write(
            lambda database: database.execute(
                "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, seen.modified, seen.head, head.cluster),
            )
        )

    def file(self, id: int, noted: Noted, path: str) -> Head | None:
        """What a file was like at that point; None when that was not noted."""
        rows = self._read(
            "SELECT device, inode, birth, size, modified, head, cluster FROM file"
            " WHERE job = ? AND noted = ? AND path = ?",
            id,
            noted,
            os.fsencode(path),
        )
        if not rows:
            return None
        device, inode, birth, size, modified, head, cluster = rows[0]
        return Head(SeenFile(path, int(device), int(inode), birth, size, modified, head), bytes(cluster or b""))

    def history(self, id: int) -> list[StepRecord]:
        """All that was noted of a job, oldest first."""
        rows = self._read("SELECT at, state, phase, detail FROM step WHERE job = ? ORDER BY id", id)
        with errors_of(self.path):
            return [StepRecord(at, State(state), phase, detail) for at, state, phase, detail in rows]

    def engine_began(self, id: int, pid: int) -> int:
        """An engine of the job runs as this process; returns the number of its record."""
        found = holder_of(pid)
        row = (id, pid, -1 if found is None else found.started, boot_id())

        def write(database: sqlite3.Connection) -> int:
            query = "INSERT INTO engine (job, pid, started, boot) VALUES (?, ?, ?, ?) RETURNING id"
            (number,) = database.execute(query, row).fetchone()
            return int(number)

        return self._write(write)

    def engine_ended(self, number: int, code: int) -> None:
        """That engine has ended with this exit code; negative: by that signal."""
        self._write(lambda database: database.execute("UPDATE engine SET exit = ? WHERE id = ?", (code, number)))

    def engines(self, id: int) -> list[Holder]:
        """The engines of a job whose end was not noted."""
        rows = self._read("SELECT pid, started, boot FROM engine WHERE job = ? AND exit IS NULL", id)
        return [Holder(pid, started, boot) for pid, started, boot in rows]

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with errors_of(self.path):
            return self._database.execute(query, values).fetchall()

    def _write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        with errors_of(self.path), transaction(self._database):
            return change(self._database)


def _insert_step(database: sqlite3.Connection, id: int, state: State, phase: Phase, detail: str) -> None:
    row = (id, int(time.time()), state, phase, _plain(detail))
    database.execute("INSERT INTO step (job, at, state, phase, detail) VALUES (?, ?, ?, ?, ?)", row)


def _owner() -> tuple[int, int, str]:
    me = holder_of(os.getpid())
    if me is None:
        raise JournalError("this process is not in /proc", path="/proc")
    return me.pid, me.started, me.boot


def _plain(text: str) -> str:
    """Text that SQLite can keep: bytes of names that are no UTF-8 are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()
