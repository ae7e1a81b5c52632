"""Rows of one root's scan on their way into the catalogue: temporary tables of one connection, filled in bulk.

In PostgreSQL by COPY, in SQLite by one statement a thousand rows. Stores are numbers here; ``stage_store`` says which.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, text

from diskchain.catalogue.database import is_postgres
from diskchain.catalogue.names import to_column
from diskchain.catalogue.tables import NO_BIRTH
from diskchain.scan.directories import path_number
from diskchain.schema.scan import FileDocument, ReferenceDocument

_TABLES: Final = {
    "stage_store": "n INTEGER, name TEXT, id BIGINT",
    "stage_file": (
        "n INTEGER, store INTEGER, inode TEXT, generation BIGINT, path TEXT /* as name.path */, number BIGINT, size BIGINT, allocated BIGINT, "
        "capacity BIGINT, modified BIGINT, changed BIGINT, format TEXT, other TEXT, unread TEXT, file BIGINT"
    ),
    "stage_edge": (
        "n INTEGER, position INTEGER, kind TEXT, state TEXT, reference TEXT, format TEXT, path TEXT, number BIGINT, store INTEGER, "
        "inode TEXT, generation BIGINT, under BIGINT"
    ),
    "stage_finding": "n INTEGER, kind TEXT, message TEXT, severity TEXT",
    "changed": "id BIGINT PRIMARY KEY",
    "affected": "id BIGINT PRIMARY KEY",
    "lost": "id BIGINT, path TEXT",
    "gone": "id BIGINT PRIMARY KEY, path TEXT",
}
#: A path that is compared with those of ``name``, and how PostgreSQL has to compare it.
_PATH: Final = "path TEXT /* as name.path */"
_PATH_BY_LETTERS: Final = 'path TEXT COLLATE "C"'
_COLUMNS: Final = {
    "stage_store": ("n", "name"),
    "stage_file": (
        "n",
        "store",
        "inode",
        "generation",
        "path",
        "number",
        "size",
        "allocated",
        "capacity",
        "modified",
        "changed",
        "format",
        "other",
        "unread",
    ),
    "stage_edge": (
        "n",
        "position",
        "kind",
        "state",
        "reference",
        "format",
        "path",
        "number",
        "store",
        "inode",
        "generation",
    ),
    "stage_finding": ("n", "kind", "message", "severity"),
}
#: Rows kept before they are written.
_BATCH: Final = 20_000
_LARGEST: Final = 2**63 - 1
_Row = tuple[Any, ...]


class Staging:
    """The rows of one root. ``connection`` keeps the temporary tables; nobody else sees them."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._stores: dict[str, int] = {}
        self._rows: dict[str, list[_Row]] = {name: [] for name in _COLUMNS}
        self._n = 0
        with connection.begin():
            for name, columns in _TABLES.items():
                kinds = columns.replace(_PATH, _PATH_BY_LETTERS) if is_postgres(connection) else columns
                connection.execute(text(f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} ({kinds})"))
        self.clear()

    def clear(self) -> None:
        """Forget all rows."""
        with self.connection.begin():
            if is_postgres(self.connection):  # there, rows that are deleted are read until somebody sweeps them out
                self.connection.execute(text(f"TRUNCATE {', '.join(_TABLES)}"))
            else:
                for name in _TABLES:
                    self.connection.execute(text(f"DELETE FROM {name}"))
        self._stores.clear()
        self._n = 0
        for rows in self._rows.values():
            rows.clear()

    @property
    def files(self) -> int:
        """How many files there are."""
        return self._n

    def add(self, file: FileDocument) -> None:
        """One more file, with its references and findings."""
        n = self._n
        self._n += 1
        self._rows["stage_file"].append(self._file(n, file))
        if file.references:
            self._rows["stage_edge"] += [self._edge(n, *each) for each in enumerate(file.references)]
        for found in file.findings:
            self._rows["stage_finding"].append((n, found.id, to_column(found.message), str(found.severity)))
        if len(self._rows["stage_file"]) >= _BATCH:
            self.flush()

    def _file(self, n: int, file: FileDocument) -> _Row:
        return (
            n,
            self.store(file.store),
            to_column(file.inode),
            NO_BIRTH if file.generation is None else file.generation,
            to_column(file.path),
            path_number(file.path),
            _fits(file.size),
            _fits(file.allocated),
            None if file.capacity is None else _fits(file.capacity),
            _fits(file.modified),
            _fits(file.changed),
            file.format,
            file.other,
            None if file.unread is None else to_column(file.unread),
        )

    def _edge(self, n: int, position: int, reference: ReferenceDocument) -> _Row:
        known = reference.store is not None and reference.inode is not None
        return (
            n,
            position,
            reference.kind,
            reference.state,
            to_column(reference.text),
            None if reference.format is None else to_column(reference.format),
            None if reference.path is None else to_column(reference.path),
            0 if reference.path is None else path_number(reference.path),
            self.store(reference.store or "") if known else None,
            to_column(reference.inode or "") if known else None,
            (NO_BIRTH if reference.generation is None else reference.generation) if known else None,
        )

    def store(self, name: str) -> int:
        """The number of a store."""
        number = self._stores.get(name)
        if number is None:
            number = self._stores[name] = len(self._stores)
            self._rows["stage_store"].append((number, to_column(name)))
        return number

    def flush(self) -> None:
        """Write what was kept."""
        with self.connection.begin():
            for name, rows in self._rows.items():
                if rows:
                    write_rows(self.connection, name, _COLUMNS[name], rows)
                    rows.clear()


def write_rows(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[_Row]) -> None:
    """Add rows to a table, in bulk. Names are our own."""
    if is_postgres(connection):
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    else:
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",  # names of our own
            list(rows),
        )


def _fits(number: int) -> int:
    """A number as a column holds it: a header may claim a capacity of 2**64."""
    return min(max(number, -_LARGEST), _LARGEST)
