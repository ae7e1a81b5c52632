"""Where a catalogue is: a URL → an engine, with its tables made or brought up to this version.

``sqlite:///PATH``, ``postgresql://HOST/NAME``; None: in memory, for one question. What may be in a URL as a password is in no message.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from diskchain.errors import MissingExtra, PeerError, StorageError, UsageError, printable

try:
    from sqlalchemy import Connection, Engine, create_engine, event, insert, select, text
    from sqlalchemy.engine import URL, make_url
    from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
    from sqlalchemy.pool import StaticPool
except ImportError:
    raise MissingExtra("SQLAlchemy", "catalogue", "a catalogue") from None

from diskchain.catalogue.tables import METADATA, VERSION, VERSIONS

#: What questions are asked of.
CatalogueConnection = Connection
#: Seconds that a second loader waits for the first, in SQLite.
_BUSY: Final = 60
#: The lock that merges of one PostgreSQL database take, one after the other: "diskchain" as a number.
MERGE_LOCK: Final = 0x6469736B
_POSTGRES: Final = "postgresql"


@contextmanager
def catalogue(url: str | None, *, create: bool = False) -> Iterator[Engine]:
    """The catalogue at ``url``. ``create``: make it where there is none yet.

    Raises MissingExtra, UsageError for a URL that makes no sense or names none, StorageError where none can be made, PeerError for what the database has against it, and
    for whatever it says while the catalogue is open.
    """
    place = _place(url)
    if url is not None and place.get_backend_name() == "sqlite":
        _look_for(place.database or "", create=create)
    engine = _engine(place)
    try:
        _prepare(engine, place)
        yield engine
    except DBAPIError as error:
        raise PeerError(f"the catalogue {place.render_as_string()}: {_first_line(error)}") from error
    finally:
        engine.dispose()


def _look_for(path: str, *, create: bool) -> None:
    """Raises UsageError where there is no catalogue at ``path`` and none is to be made, StorageError where none can be."""
    if create:
        try:
            os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        except OSError as error:
            raise StorageError(f"no directory can be made: {error.strerror}", path=os.path.dirname(path)) from error
    elif not os.path.exists(path):
        raise UsageError(
            f"there is no catalogue at {printable(path)}: diskchain scan DIR --load makes one, or --search DIR does without"
        )


def is_postgres(connection: Connection) -> bool:
    """Whether it is PostgreSQL behind a connection, else SQLite."""
    return connection.dialect.name == _POSTGRES


def _place(url: str | None) -> URL:
    if url is None:
        return make_url("sqlite://")
    try:
        place = make_url(url)
    except ArgumentError:
        raise UsageError("--db takes sqlite:///PATH or postgresql://HOST/NAME") from None
    backend = place.get_backend_name()
    if backend not in ("sqlite", _POSTGRES):
        raise UsageError(f"--db takes sqlite:///PATH or postgresql://HOST/NAME, no {backend}")
    return place.set(drivername="postgresql+psycopg") if backend == _POSTGRES else place


def _engine(place: URL) -> Engine:
    if place.get_backend_name() == _POSTGRES:
        try:
            # Compiling a recursion of 2,000 rows takes PostgreSQL 15 420 ms, running it 10.
            return create_engine(place, connect_args={"options": "-c jit=off"})
        except (ImportError, NoSuchModuleError):
            raise MissingExtra("psycopg", "catalogue", "a catalogue in PostgreSQL") from None
    options: dict[str, Any] = {"connect_args": {"timeout": _BUSY}}
    if not place.database:
        options["poolclass"] = StaticPool
        options["connect_args"]["check_same_thread"] = False
    engine = create_engine(place, **options)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Let SQLAlchemy begin transactions, not Python's driver; readers and one writer at a time; keys of other tables are real."""
    connection.isolation_level = None
    for setting in (
        "foreign_keys = ON",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "temp_store = MEMORY",
        "cache_size = -65536",
    ):
        connection.execute(f"PRAGMA {setting}")


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")


def _prepare(engine: Engine, place: URL) -> None:
    """Make the tables, or refuse those of a later version. Of two that make them at once, one does."""
    with engine.connect() as connection, writing(connection):
        METADATA.create_all(connection)
        version = connection.execute(select(VERSIONS.c.version)).scalar()
        if version is None:
            connection.execute(insert(VERSIONS).values(version=VERSION))
        elif version > VERSION:
            raise PeerError(
                f"the catalogue {place.render_as_string()} is of version {version}, which a later diskchain made"
            )


@contextmanager
def writing(connection: Connection) -> Iterator[None]:
    """A transaction of ``connection`` that no other writer is in at the same time."""
    connection.execution_options(sqlite_begin="IMMEDIATE")
    try:
        with connection.begin():
            if is_postgres(connection):
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MERGE_LOCK})
            yield
    finally:
        connection.execution_options(sqlite_begin="DEFERRED")


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]
