"""A journal as a file: where it is, whether it can be used, and how it is made. Knows no record in it.

It is made whole, under a name of its own, and renamed: a journal that is there and empty is never one of ours. What is there and
cannot be used is an error with its reason, never the same as no journal. A journal says which files get which owner, and which are
deleted, so it is not believed where another user could have written it. Runs SQLite (``sqlite.org/c3ref``, ``sqlite.org/uri.html``); every function may
wait for storage.
"""

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from diskchain.errors import JournalError, ParseError, UsageError

_NEW: Final = ".new"
_ROLLBACK: Final = "-journal"  # what SQLite calls the file it undoes a transaction with
_LONGEST_WAIT: Final = 30.0  # seconds for another process to end its transaction

#: ``read``: changes nothing, not even the schema of an older version. ``change``: what is there. ``create``: made when it is not.
Mode = Literal["read", "change", "create"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of journal. ``name``: of its file; ``holds``: what is lost with it, in words; ``migrations``: from each older version to the next."""

    name: str
    holds: str
    schema: str
    version: int
    migrations: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open journal. ``unwritable``: why it cannot be changed, None when it can."""

    database: sqlite3.Connection
    unwritable: str | None


def state_directory() -> Path:
    """Where the journal is unless told otherwise: ``/var/lib/diskchain`` for root, else the user's state directory.

    Raises UsageError for a user without a home directory.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/diskchain")
    home = os.environ.get("XDG_STATE_HOME", "")
    if home.startswith("/"):
        return Path(home) / "diskchain"
    try:
        return Path.home() / ".local" / "state" / "diskchain"
    except RuntimeError as error:
        raise UsageError("there is no home directory to keep a journal in: --state DIR says where it is") from error


def exists(kind: Kind, directory: Path) -> bool:
    """Whether there is a journal, whatever it is like. Raises JournalError when that cannot be told."""
    path = directory / kind.name
    with errors_of(path):
        try:
            path.lstat()
        except FileNotFoundError:
            _refuse_remains(path)
            return False
    return True


def _refuse_remains(path: Path) -> None:
    """Something is left of a journal, or of the way to it: then there was one."""
    directory = path.parent
    rollback = directory / (path.name + _ROLLBACK)
    with suppress(FileNotFoundError):
        rollback.lstat()
        raise JournalError(f"it is gone, but what undoes its last change is there: {rollback}", path=str(directory))
    for part in (directory, *directory.absolute().parents):
        if part.is_symlink() and not part.exists():
            raise JournalError(f"{part} is a symbolic link to nothing", path=str(path))


def open_file(kind: Kind, directory: Path, mode: Mode, wait: float) -> OpenFile:
    """Opens the journal; ``wait``: seconds for another process to end its transaction.

    Raises JournalError when it cannot be used, or cannot be changed in another mode than ``read``.
    """
    path = directory / kind.name
    with errors_of(path):
        _refuse_unusable(path, kind.holds)
        unwritable = _why_unwritable(path)
        if unwritable is not None and mode != "read":
            raise JournalError(f"it cannot be changed: {unwritable}", path=str(path))
        database = _connect(path, "ro" if unwritable else "rw", wait)
        try:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version == 0:
                raise JournalError("it is a database, but no journal of diskchain", path=str(path))
            if version != kind.version and version not in kind.migrations:
                raise JournalError(
                    f"it has version {version}, and this diskchain knows version {kind.version}", path=str(path)
                )
            if version != kind.version and mode == "read":
                database = _in_memory(database)
            if version != kind.version:
                _migrate(database, kind.migrations)
        except BaseException:
            database.close()
            raise
        return OpenFile(database, unwritable)


def make_directory(directory: Path) -> None:
    """Makes the directory, for its user alone, unless it is there. Raises JournalError."""
    with errors_of(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_others(directory)


def make_file(kind: Kind, directory: Path) -> None:
    """Makes an empty journal, unless there is one. The caller keeps other processes out. Raises JournalError."""
    path, new = directory / kind.name, directory / (kind.name + _NEW)
    if exists(kind, directory):
        return
    with errors_of(path):
        for remains in (new, directory / (new.name + _ROLLBACK)):
            remains.unlink(missing_ok=True)
        database = _connect(new, "rwc", _LONGEST_WAIT)
        try:
            with transaction(database):
                for statement in kind.schema.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {kind.version}")
        finally:
            database.close()
        new.rename(path)
        _sync_directory(directory)


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All that is done in the block, or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


@contextmanager
def errors_of(path: Path) -> Iterator[None]:
    """Whatever goes wrong with the journal at ``path`` is a JournalError."""
    try:
        yield
    except OSError as error:
        raise JournalError(error.strerror or "failed", path=str(path)) from error
    except (sqlite3.Error, ParseError, ValueError) as error:
        raise JournalError(str(error), path=str(path)) from error


def _connect(path: Path, mode: str, wait: float) -> sqlite3.Connection:
    """``wait`` in seconds. Each question may be asked by another thread, one at a time."""
    uri = f"file:{quote(os.fsencode(path.absolute()))}?mode={mode}"
    wait = min(wait, _LONGEST_WAIT)
    database = sqlite3.connect(uri, isolation_level=None, timeout=wait, uri=True, check_same_thread=False)
    # A text that is no UTF-8 is a damaged column, not the end of the query.
    database.text_factory = lambda raw: raw.decode(errors="surrogateescape")
    try:
        database.execute("PRAGMA foreign_keys = ON")
        # EXTRA also syncs the directory after the rollback file is gone: the commit cannot come undone.
        database.execute("PRAGMA synchronous = EXTRA")
    except BaseException:
        database.close()
        raise
    return database


def _refuse_unusable(path: Path, holds: str) -> None:
    """Raises OSError or JournalError for what is no journal, or not ours."""
    try:
        status = path.stat()
    except FileNotFoundError:
        problem = "it is a symbolic link to nothing" if path.is_symlink() else os.strerror(errno.ENOENT)
        raise JournalError(problem, path=str(path)) from None
    if not stat.S_ISREG(status.st_mode):
        raise JournalError("it is no regular file", path=str(path))
    if status.st_size == 0:
        raise JournalError(f"it is empty: what it said about {holds} is lost", path=str(path))
    _refuse_others(path.parent)
    _refuse_others(path)
    if not os.access(path, os.R_OK, effective_ids=True):
        raise JournalError(os.strerror(errno.EACCES), path=str(path))


def _refuse_others(path: Path) -> None:
    """What others may write could make us give files away."""
    status = path.stat()
    if status.st_uid not in (0, os.geteuid()):
        raise JournalError(f"{path} belongs to another user, who could have written anything into it", path=str(path))
    if status.st_mode & stat.S_IWOTH:
        raise JournalError(f"{path} can be written by every user (chmod o-w)", path=str(path))


def _why_unwritable(path: Path) -> str | None:
    for needed, rights in ((path, os.W_OK), (path.parent, os.W_OK | os.X_OK)):
        if not os.access(needed, rights, effective_ids=True):
            read_only = os.statvfs(needed).f_flag & os.ST_RDONLY
            return "its file system is mounted read-only" if read_only else f"no right to write to {needed}"
    return None


def _in_memory(database: sqlite3.Connection) -> sqlite3.Connection:
    """A copy that can be changed, in place of ``database``."""
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        database.backup(copy)
    except BaseException:
        copy.close()
        raise
    database.close()
    return copy


def _migrate(database: sqlite3.Connection, migrations: Mapping[int, tuple[str, ...]]) -> None:
    """Brings a journal of an older version to this one, in one transaction."""
    with transaction(database):
        (version,) = database.execute("PRAGMA user_version").fetchone()
        while version in migrations:
            for statement in migrations[version]:
                database.execute(statement)
            version += 1
            database.execute(f"PRAGMA user_version = {version}")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
