"""Reads the tables of an open journal, row by row: a record that cannot be read hides no other, and is told.

A damaged grant still has a number, so what it holds can be given back by it. A damaged record of a file is told with
each hold on it.
"""

import sqlite3
from typing import Any, Final

from diskchain.access.grants.journal_schema import (
    FILE_COLUMNS,
    GRANT_COLUMNS,
    HOLD_COLUMNS,
    Contents,
    Damage,
    FileRecord,
    Grant,
    Hold,
    file_of,
    grant_of,
    hold_of,
    path_of,
    unknown_grant,
)
from diskchain.errors import ParseError

_Row = tuple[Any, ...]
#: Of a result code of SQLite, ``sqlite.org/rescode.html``.
_PRIMARY_CODE: Final = 0xFF


def read_contents(database: sqlite3.Connection) -> Contents:
    """All records, in the order of their numbers. Raises sqlite3.Error when a table is not there at all."""
    damage: list[Damage] = []
    files = _files(database, damage)
    holds = _holds(database, files, damage)
    grants = _grants(database, damage)
    named = [hold.grant for hold in holds] + [each.grant for each in damage if each.grant is not None]
    for id in named:
        grants.setdefault(id, unknown_grant(id))
    return Contents(tuple(grants[id] for id in sorted(grants)), tuple(holds), tuple(damage))


def _files(database: sqlite3.Connection, damage: list[Damage]) -> dict[Any, FileRecord | Damage]:
    files: dict[Any, FileRecord | Damage] = {}
    for row in _rows(database, "file", FILE_COLUMNS, damage):
        try:
            files[row[0]] = file_of(row, _attributes(database, row[0]))
        except ParseError as error:
            files[row[0]] = Damage("file", row[0], error.problem, path=_path_or_none(row[1]))
    return files


def _attributes(database: sqlite3.Connection, file: int) -> list[_Row]:
    query = "SELECT name, value FROM attribute WHERE file = ? ORDER BY name"
    try:
        return database.execute(query, (file,)).fetchall()
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise
        raise ParseError(str(error)) from error


def _holds(database: sqlite3.Connection, files: dict[Any, FileRecord | Damage], damage: list[Damage]) -> list[Hold]:
    holds = []
    for row in _rows(database, "hold", HOLD_COLUMNS, damage):
        file = files.get(row[2])
        grant = row[1] if type(row[1]) is int else None
        path = None if file is None else file.path
        try:
            if file is None:
                raise ParseError("the record of its file is not there")
            if isinstance(file, Damage):
                raise ParseError(f"the record of its file: {file.problem}")
            holds.append(hold_of(row, file))
        except ParseError as error:
            damage.append(Damage("hold", row[0], error.problem, grant, path))
    return holds


def _grants(database: sqlite3.Connection, damage: list[Damage]) -> dict[int, Grant]:
    grants = {}
    for row in _rows(database, "grant", GRANT_COLUMNS, damage):
        try:
            grants[row[0]] = grant_of(row)
        except ParseError as error:
            grants[row[0]] = unknown_grant(row[0])
            damage.append(Damage("grant", row[0], error.problem, row[0]))
    return grants


def _rows(database: sqlite3.Connection, table: str, columns: str, damage: list[Damage]) -> list[_Row]:
    """The rows of a table by their numbers, those before and those behind a page that cannot be read."""
    found: dict[Any, _Row] = {}
    for order in ("ASC", "DESC"):
        try:
            # Without an index: one that is damaged would hide rows that are not.
            for row in database.execute(f"SELECT {columns} FROM {table} NOT INDEXED ORDER BY rowid {order}"):  # noqa: S608
                found[row[0]] = row
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            if order == "ASC":
                damage.append(Damage(table, None, str(error)))
            continue
        break
    return [found[number] for number in sorted(found)]


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether a page is damaged; anything else concerns the whole journal."""
    return (error.sqlite_errorcode & _PRIMARY_CODE) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _path_or_none(value: Any) -> str | None:
    try:
        return path_of(value)
    except ParseError:
        return None
