"""The journal of granted rights: what each file was like before the first job touched it, and which jobs hold it.

A file's original state is written once, when the first job takes hold of it, and stays until the last job lets go. That
makes two jobs on one base safe, and any instant to die at: whoever comes next finds the original.

SQLite, one file, every transaction synced to the disk before the call returns. Knows values, never touches the files
it speaks of. ``apply`` and ``revert`` write here before they touch anything.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from diskchain.access.grants.changes import Change, FileState, write_changes
from diskchain.access.grants.file_state import FileIdentity
from diskchain.access.grants.journal_schema import (
    FILE_COLUMNS,
    SCHEMA,
    VERSION,
    FileRecord,
    Hold,
    Job,
    Phase,
    file_of,
    file_row,
    hold_of,
    job_of,
    plain_text,
    rights_row,
)
from diskchain.access.requirements import Access
from diskchain.errors import ParseError, StorageDenied, StorageError
from diskchain.system.process import Holder

_FILE_NAME: Final = "rights.db"
_LOCK_NAME: Final = "rights.lock"


def state_directory() -> Path:
    """Where the journal is kept unless told otherwise: ``/var/lib/diskchain`` for root, else the user's state directory."""
    if os.geteuid() == 0:
        return Path("/var/lib/diskchain")
    home = os.environ.get("XDG_STATE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".local" / "state") / "diskchain"


def journal_exists(directory: Path) -> bool:
    """Whether there is a journal, and we may know."""
    return os.access(directory / _FILE_NAME, os.R_OK | os.W_OK)


class Journal:
    """An open journal. Use as a context manager. Every method that writes returns after the write is on the disk.

    Raises StorageError (StorageDenied, when that is the reason) when the journal cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._path = directory / _FILE_NAME
        with self._errors():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(directory, os.W_OK | os.X_OK):
                raise PermissionError
            self._database = sqlite3.connect(self._path, isolation_level=None, timeout=30)
            self._database.execute("PRAGMA foreign_keys = ON")
            # EXTRA also syncs the directory after the rollback file is gone: the commit cannot come undone.
            self._database.execute("PRAGMA synchronous = EXTRA")
            self._create()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._database.close()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other processes from applying and reverting until the block is left or this process dies."""
        with self._errors():
            descriptor = os.open(self.directory / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def begin(self, target: str, operation: str, uid: int, gid: int, holder: Holder | None = None) -> Job:
        """The open job for just this, or a new one: asking twice makes one job, whose holder is the last who asked."""
        with self._transaction() as database:
            row = database.execute(
                "SELECT id FROM job WHERE target = ? AND operation = ? AND uid = ? AND gid = ?",
                (plain_text(target), operation, uid, gid),
            ).fetchone()
            if row is None:
                created = (int(time.time()), plain_text(target), operation, uid, gid)
                row = database.execute(
                    "INSERT INTO job (created, target, operation, uid, gid) VALUES (?, ?, ?, ?, ?) RETURNING id",
                    created,
                ).fetchone()
            held_by = (None, None, None) if holder is None else (holder.pid, holder.started, holder.boot)
            database.execute(
                "UPDATE job SET holder_pid = ?, holder_started = ?, holder_boot = ? WHERE id = ?", (*held_by, row[0])
            )
        return next(job for job in self.jobs() if job.id == row[0])

    def find_file(self, identity: FileIdentity, boot: str) -> FileRecord | None:
        """The record of a file, if some job holds it."""
        rows = self._rows(
            f"SELECT {FILE_COLUMNS} FROM file WHERE inode = ?",  # noqa: S608 - a constant of ours
            (str(identity.inode),),
        )
        records = [self._file(row) for row in rows]
        return next((file for file in records if file.identity.same(identity, rebooted=file.boot != boot)), None)

    def hold(self, job: Job, file: FileRecord, changes: tuple[Change, ...], access: Access, after: FileState) -> Hold:
        """Notes that ``job`` is about to make ``changes``. ``file.id`` 0: the file is not known yet, and is recorded.

        A second call for the same job and file replaces the first.
        """
        with self._transaction() as database:
            file_id = file.id or self._insert_file(database, file)
            database.execute("DELETE FROM hold WHERE job = ? AND file = ?", (job.id, file_id))
            row = (job.id, file_id, write_changes(changes), access, Phase.PLANNED, *rights_row(after))
            (hold_id,) = database.execute(
                "INSERT INTO hold (job, file, changes, access, phase, after_uid, after_gid, after_mode, after_acl)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                row,
            ).fetchone()
        return next(hold for hold in self.holds(job.id) if hold.id == hold_id)

    def set_phase(self, hold: Hold, phase: Phase, after: FileState | None = None) -> None:
        """Moves a hold on; ``after``: the rights the file really got."""
        with self._transaction() as database:
            database.execute("UPDATE hold SET phase = ? WHERE id = ?", (phase, hold.id))
            if after is not None:
                database.execute(
                    "UPDATE hold SET after_uid = ?, after_gid = ?, after_mode = ?, after_acl = ? WHERE id = ?",
                    (*rights_row(after), hold.id),
                )

    def release(self, hold: Hold) -> None:
        """Forgets a hold, and the file with it when nobody else holds it."""
        with self._transaction() as database:
            database.execute("DELETE FROM hold WHERE id = ?", (hold.id,))
            database.execute("DELETE FROM file WHERE id = ? AND id NOT IN (SELECT file FROM hold)", (hold.file.id,))

    def end(self, job: Job) -> bool:
        """Forgets a job that holds nothing any more. False when it still does."""
        with self._transaction() as database:
            gone = database.execute(
                "DELETE FROM job WHERE id = ? AND id NOT IN (SELECT job FROM hold)", (job.id,)
            ).rowcount
        return gone > 0

    def jobs(self) -> list[Job]:
        """All open jobs, oldest first."""
        return [job_of(row) for row in self._rows("SELECT * FROM job ORDER BY id", ())]

    def holds(self, job: int | None = None) -> list[Hold]:
        """The holds of one job, or of all, in the order they were made."""
        chosen = "" if job is None else " WHERE job = ?"
        rows = self._rows(f"SELECT * FROM hold{chosen} ORDER BY id", () if job is None else (job,))  # noqa: S608
        files = {row[0]: self._file(row) for row in self._rows(f"SELECT {FILE_COLUMNS} FROM file", ())}  # noqa: S608
        with self._errors():
            return [hold_of(row, files) for row in rows]

    def _create(self) -> None:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            with self._transaction() as database:
                if database.execute("PRAGMA user_version").fetchone() == (0,):
                    for statement in SCHEMA.split(";"):
                        database.execute(statement)
                    database.execute(f"PRAGMA user_version = {VERSION}")
            _sync_directory(self.directory)
        elif version != VERSION:
            raise StorageError(f"the journal has version {version}; this is for {VERSION}", path=str(self._path))

    def _insert_file(self, database: sqlite3.Connection, file: FileRecord) -> int:
        columns = FILE_COLUMNS.removeprefix("id, ")
        (file_id,) = database.execute(
            f"INSERT INTO file ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",  # noqa: S608
            file_row(file),
        ).fetchone()
        database.executemany(
            "INSERT INTO attribute (file, name, value) VALUES (?, ?, ?)",
            [(file_id, name, value) for name, value in file.original.xattrs],
        )
        return int(file_id)

    def _file(self, row: tuple[Any, ...]) -> FileRecord:
        return file_of(row, self._rows("SELECT name, value FROM attribute WHERE file = ? ORDER BY name", row[:1]))

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._errors():
            return self._database.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise StorageDenied("we may not use the journal", path=str(self.directory)) from error
        except (OSError, sqlite3.Error, ParseError, KeyError, ValueError) as error:
            raise StorageError(f"the journal cannot be used: {error}", path=str(self._path)) from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
