"""The journal of granted rights: what each file was like before the first grant touched it, and which grants hold it.

A file's original state is written once, when the first grant takes hold of it, and stays until the last grant lets go. That
makes two grants on one base safe, and any instant to die at: whoever comes next finds the original.

SQLite, one file, every transaction synced to the disk before the call returns. Each question to it has a deadline: the journal may be
on storage that does not answer. A record that cannot be read hides no other. Knows values, never touches the files it speaks of.
``apply`` and ``revert`` write here before they touch anything.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self, TypeVar

from diskchain.access.grants.changes import Change, FileState, write_changes
from diskchain.access.grants.file_state import FileIdentity
from diskchain.access.grants.journal_read import read_contents
from diskchain.access.grants.journal_schema import (
    FILE_COLUMNS,
    KIND,
    Contents,
    Damage,
    FileRecord,
    Grant,
    Hold,
    Phase,
    file_row,
    plain_text,
    rights_row,
)
from diskchain.access.requirements import Access
from diskchain.errors import JournalError, StorageTimeout
from diskchain.system import journal_file
from diskchain.system.deadline import DEFAULT_DEADLINE, within
from diskchain.system.journal_file import Mode, errors_of, transaction
from diskchain.system.process import Holder

T = TypeVar("T")

_LOCK_NAME: Final = "rights.lock"
#: Databases that a thread may still be using, because they gave no answer: open until the process ends.
_left_behind: list[sqlite3.Connection] = []


def journal_exists(directory: Path, *, seconds: float = DEFAULT_DEADLINE) -> bool:
    """Whether there is a journal, whatever it is like. ``seconds``: for its answer. Raises JournalError when that cannot be told."""
    return _answer(directory, lambda: journal_file.exists(KIND, directory), seconds)


class Journal:
    """An open journal. Use as a context manager. Every method that writes returns after the write is on the disk.

    ``mode`` ``read`` changes and makes nothing; ``unwritable`` then says why the journal could not be changed, None when it could.
    ``seconds``: what its storage has for each answer. Raises JournalError when it cannot be used.
    """

    def __init__(self, directory: Path, mode: Mode = "create", *, seconds: float = DEFAULT_DEADLINE) -> None:
        self.directory = directory
        self.path = directory / KIND.name
        self._seconds = seconds
        #: It gave no answer. A thread may still be using the database, so nothing else may.
        self._no_answer = False
        if mode == "create":
            self._ask(lambda: journal_file.make_directory(directory))
            if not journal_exists(directory, seconds=seconds):
                with self.exclusive():
                    self._ask(lambda: journal_file.make_file(KIND, directory))
        opened = self._ask(lambda: journal_file.open_file(KIND, directory, mode, seconds))
        self._database, self.unwritable = opened.database, opened.unwritable

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        if self._no_answer:
            _left_behind.append(self._database)
        else:
            self._database.close()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keeps other processes from applying and reverting until the block is left or this process dies.

        Raises JournalError when another process does so for longer than the journal has to answer.
        """
        lock = _Lock(self.directory / _LOCK_NAME)
        try:
            self._ask(lock.take)
        except JournalError:
            lock.leave()
            raise
        try:
            yield
        finally:
            lock.leave()

    def begin(self, target: str, operation: str, uid: int, gid: int, holder: Holder | None = None) -> Grant:
        """The open grant for just this, or a new one: asking twice makes one grant, whose holder is the last who asked."""
        wanted = (plain_text(target), operation, uid, gid)
        held_by = (None, None, None) if holder is None else (holder.pid, holder.started, holder.boot)

        def write(database: sqlite3.Connection) -> int:
            row = database.execute(
                "SELECT id FROM grant WHERE target = ? AND operation = ? AND uid = ? AND gid = ?", wanted
            ).fetchone()
            if row is None:
                row = database.execute(
                    "INSERT INTO grant (created, target, operation, uid, gid) VALUES (?, ?, ?, ?, ?) RETURNING id",
                    (int(time.time()), *wanted),
                ).fetchone()
            database.execute(
                "UPDATE grant SET holder_pid = ?, holder_started = ?, holder_boot = ? WHERE id = ?", (*held_by, row[0])
            )
            return int(row[0])

        id = self._write(write)
        return next(grant for grant in self.grants() if grant.id == id)

    def find_file(self, identity: FileIdentity, boot: str) -> FileRecord | None:
        """The record of a file, if some grant holds it."""
        records = (hold.file for hold in self.holds())
        return next((file for file in records if file.identity.same(identity, rebooted=file.boot != boot)), None)

    def hold(
        self, grant: Grant, file: FileRecord, changes: tuple[Change, ...], access: Access, after: FileState
    ) -> Hold:
        """Notes that ``grant`` is about to make ``changes``. ``file.id`` 0: the file is not known yet, and is recorded.

        A second call for the same grant and file replaces the first.
        """

        def write(database: sqlite3.Connection) -> int:
            file_id = file.id or _insert_file(database, file)
            database.execute("DELETE FROM hold WHERE grant = ? AND file = ?", (grant.id, file_id))
            row = (grant.id, file_id, write_changes(changes), access, Phase.PLANNED, *rights_row(after))
            (hold_id,) = database.execute(
                "INSERT INTO hold (grant, file, changes, access, phase, after_uid, after_gid, after_mode, after_acl)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                row,
            ).fetchone()
            return int(hold_id)

        id = self._write(write)
        return next(hold for hold in self.holds(grant.id) if hold.id == id)

    def set_phase(self, hold: Hold, phase: Phase, after: FileState | None = None) -> None:
        """Moves a hold on; ``after``: the rights the file really got."""

        def write(database: sqlite3.Connection) -> None:
            database.execute("UPDATE hold SET phase = ? WHERE id = ?", (phase, hold.id))
            if after is not None:
                database.execute(
                    "UPDATE hold SET after_uid = ?, after_gid = ?, after_mode = ?, after_acl = ? WHERE id = ?",
                    (*rights_row(after), hold.id),
                )

        self._write(write)

    def release(self, hold: Hold) -> None:
        """Forgets a hold, and the file with it when no other grant holds it."""

        def write(database: sqlite3.Connection) -> None:
            database.execute("DELETE FROM hold WHERE id = ?", (hold.id,))
            database.execute("DELETE FROM file WHERE id = ? AND id NOT IN (SELECT file FROM hold)", (hold.file.id,))

        self._write(write)

    def forget_damage(self, damage: Damage) -> bool:
        """Deletes a damaged record; False when it has no number to find it by, or is a grant that still holds something."""
        if damage.id is None:
            return False
        unused = " AND id NOT IN (SELECT grant FROM hold)" if damage.table == "grant" else ""

        def write(database: sqlite3.Connection) -> int:
            query = f"DELETE FROM {damage.table} WHERE id = ?{unused}"  # noqa: S608 - a table of ours
            gone = database.execute(query, (damage.id,)).rowcount
            database.execute("DELETE FROM file WHERE id NOT IN (SELECT file FROM hold)")
            database.execute("DELETE FROM grant WHERE id = ? AND id NOT IN (SELECT grant FROM hold)", (damage.grant,))
            return gone

        return self._write(write) > 0

    def end(self, grant: Grant) -> bool:
        """Forgets a grant that holds nothing any more. False when it still does."""

        def write(database: sqlite3.Connection) -> int:
            query = "DELETE FROM grant WHERE id = ? AND id NOT IN (SELECT grant FROM hold)"
            return database.execute(query, (grant.id,)).rowcount

        return self._write(write) > 0

    def contents(self) -> Contents:
        """All that can be read, and what cannot."""
        return self._ask(lambda: read_contents(self._database))

    def grants(self) -> tuple[Grant, ...]:
        """All open grants, oldest first, those of damaged records among them."""
        return self.contents().grants

    def holds(self, grant: int | None = None) -> tuple[Hold, ...]:
        """The holds of one grant, or of all, in the order they were made, as far as they can be read."""
        return tuple(hold for hold in self.contents().holds if grant is None or hold.grant == grant)

    def _write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Makes a change in a transaction of its own."""

        def work() -> T:
            with transaction(self._database):
                return change(self._database)

        return self._ask(work)

    def _ask(self, question: Callable[[], T]) -> T:
        """What ``question`` says, which uses the journal. After one without an answer there is no other."""
        if self._no_answer:
            raise JournalError("its storage does not answer", path=str(self.path))
        try:
            return _answer(self.directory, question, self._seconds)
        except _NoAnswer:
            self._no_answer = True
            raise


class _NoAnswer(JournalError):
    """Its storage did not answer in time."""


def _answer(directory: Path, question: Callable[[], T], seconds: float) -> T:
    """What ``question`` says, within so many ``seconds``. Raises JournalError."""
    path = directory / KIND.name
    with errors_of(path):
        try:
            return within(seconds, str(directory), question)
        except StorageTimeout as error:
            raise _NoAnswer(error.problem, path=str(path)) from error


class _Lock:
    """A lock on a file. A thread may still wait for it when it is not wanted any more: then that one lets it go."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = Lock()
        self._left = False
        self._taken: int | None = None

    def take(self) -> None:
        """Waits until no other process has it. Raises OSError."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(descriptor)
            raise
        with self._guard:
            if self._left:
                os.close(descriptor)
            else:
                self._taken = descriptor

    def leave(self) -> None:
        """Lets it go, now or as soon as it is there."""
        with self._guard:
            self._left = True
            if self._taken is not None:
                os.close(self._taken)
                self._taken = None


def _insert_file(database: sqlite3.Connection, file: FileRecord) -> int:
    columns = FILE_COLUMNS.removeprefix("id, ")
    row: tuple[Any, ...] = file_row(file)
    (file_id,) = database.execute(
        f"INSERT INTO file ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",  # noqa: S608
        row,
    ).fetchone()
    database.executemany(
        "INSERT INTO attribute (file, name, value) VALUES (?, ?, ?)",
        [(file_id, name, value) for name, value in file.original.xattrs],
    )
    return int(file_id)
