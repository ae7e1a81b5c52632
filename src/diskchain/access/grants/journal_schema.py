"""What the journal keeps: its tables, the values that come out of them, and the way between the two. Pure.

Numbers that may not fit SQLite's signed 64 bits (inodes, devices) are kept as text; paths are bytes. A row is checked column by
column, since SQLite keeps any type anywhere: what no version of ours wrote is a ParseError, and says which column.
"""

import os
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeVar

from diskchain.access.grants.changes import Change, FileState, read_changes
from diskchain.access.grants.file_state import FileIdentity
from diskchain.access.requirements import Access
from diskchain.errors import ParseError
from diskchain.system.journal_file import Kind
from diskchain.system.posix_acl import decode
from diskchain.system.process import Holder

T = TypeVar("T")

VERSION: Final = 2
SCHEMA: Final = """
CREATE TABLE grant (
    id INTEGER PRIMARY KEY AUTOINCREMENT, created INTEGER NOT NULL, target TEXT NOT NULL, operation TEXT NOT NULL,
    uid INTEGER NOT NULL, gid INTEGER NOT NULL,
    holder_pid INTEGER, holder_started INTEGER, holder_boot TEXT
);
CREATE TABLE file (
    id INTEGER PRIMARY KEY, path BLOB NOT NULL, boot TEXT NOT NULL,
    device TEXT NOT NULL, inode TEXT NOT NULL, birth INTEGER, generation INTEGER, handle BLOB, filesystem TEXT NOT NULL,
    uid INTEGER NOT NULL, gid INTEGER NOT NULL, mode INTEGER NOT NULL, acl BLOB,
    accessed INTEGER NOT NULL, modified INTEGER NOT NULL
);
CREATE TABLE attribute (
    file INTEGER NOT NULL REFERENCES file(id) ON DELETE CASCADE, name TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (file, name)
);
CREATE TABLE hold (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    grant INTEGER NOT NULL REFERENCES grant(id), file INTEGER NOT NULL REFERENCES file(id),
    changes TEXT NOT NULL, access TEXT NOT NULL, phase TEXT NOT NULL,
    after_uid INTEGER NOT NULL, after_gid INTEGER NOT NULL, after_mode INTEGER NOT NULL, after_acl BLOB,
    UNIQUE (grant, file)
);
"""
#: From the schema of each older version to the next. In version 1 a grant was called a job.
MIGRATIONS: Final = {
    1: ("ALTER TABLE job RENAME TO grant", "ALTER TABLE hold RENAME COLUMN job TO grant"),
}
#: The journal as a file.
KIND: Final = Kind("rights.db", "granted rights", SCHEMA, VERSION, MIGRATIONS)
#: The columns of each table, in the order in which :func:`grant_of`, :func:`file_of` and :func:`hold_of` take them.
GRANT_COLUMNS: Final = "id, created, target, operation, uid, gid, holder_pid, holder_started, holder_boot"
HOLD_COLUMNS: Final = "id, grant, file, changes, access, phase, after_uid, after_gid, after_mode, after_acl"
FILE_COLUMNS: Final = (
    "id, path, boot, device, inode, birth, generation, handle, filesystem, uid, gid, mode, acl, accessed, modified"
)


class Phase(StrEnum):
    """How far a hold has come. Only in ``APPLIED`` is the file known to be as the journal says."""

    PLANNED = "planned"
    APPLIED = "applied"
    REVERTING = "reverting"


@dataclass(frozen=True, slots=True)
class Grant:
    """A user's permission to do one operation. ``created`` in seconds since the epoch; ``target`` is for people.

    ``holder``: the process it is for. ``damaged``: its record cannot be read, so that whose it is and whether it is over is not known.
    """

    id: int
    created: int
    target: str
    operation: str
    uid: int
    gid: int
    holder: Holder | None = None
    damaged: bool = False

    @property
    def over(self) -> bool:
        """Whether the process it is for is known not to run any more; also where none was named."""
        return not self.damaged and (self.holder is None or not self.holder.alive())


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file and its state before any grant. ``boot`` is the boot it was written in."""

    id: int
    path: str
    identity: FileIdentity
    boot: str
    original: FileState


@dataclass(frozen=True, slots=True)
class Hold:
    """One grant's hold on one file. ``after``: its rights once the changes were made (no attributes, no times)."""

    id: int
    grant: int
    file: FileRecord
    changes: tuple[Change, ...]
    access: Access
    phase: Phase
    after: FileState


@dataclass(frozen=True, slots=True)
class Damage:
    """A record that no version of ours wrote, or that cannot be read. ``table``: ``grant``, ``hold`` or ``file``.

    ``id``, ``grant`` (a number) and ``path`` are None where they cannot be told either. ``problem`` says what is wrong.
    """

    table: str
    id: int | None
    problem: str
    grant: int | None = None
    path: str | None = None


def describe_damage(damage: Damage) -> str:
    """What is wrong with a record, and what can still be done."""
    number = "" if damage.id is None else f" {damage.id}"
    said = f"record {damage.table}{number} of the journal is damaged: {damage.problem}"
    if damage.table == "grant" and damage.grant is not None:
        said += f"; whether it is over cannot be told, and diskchain revert {damage.grant} gives it back"
    return said


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a journal says: what can be read, and what cannot."""

    grants: tuple[Grant, ...] = ()
    holds: tuple[Hold, ...] = ()
    damage: tuple[Damage, ...] = ()


#: What a journal says that says nothing.
EMPTY: Final = Contents()


_UNKNOWN_ID: Final = -1
_LARGEST_ID: Final = 2**32 - 2
_LATEST: Final = 2**40  # seconds since the epoch
_MODE: Final = 0o7777
_INT64: Final = 2**63 - 1


def unknown_grant(id: int) -> Grant:
    """A grant of which nothing but its number is known."""
    return Grant(id, 0, "?", "?", _UNKNOWN_ID, _UNKNOWN_ID, damaged=True)


def grant_of(row: tuple[Any, ...]) -> Grant:
    """A row of :data:`GRANT_COLUMNS`. Raises ParseError."""
    id, created, target, operation, uid, gid, pid, started, boot = row
    holder = None
    if (pid, started, boot) != (None, None, None):
        holder = Holder(_number(pid, "holder_pid"), _number(started, "holder_started"), _is(str, boot, "holder_boot"))
    return Grant(
        _number(id, "id"),
        _number(created, "created", _LATEST),
        _is(str, target, "target"),
        _is(str, operation, "operation"),
        *_owner(uid, gid),
        holder,
    )


def file_of(row: tuple[Any, ...], attributes: list[tuple[Any, ...]]) -> FileRecord:
    """A row of :data:`FILE_COLUMNS`, and its rows of ``attribute``: name and value. Raises ParseError."""
    id, path, boot, device, inode, birth, generation, handle, filesystem, uid, gid, mode, acl, accessed, modified = row
    identity = FileIdentity(
        _digits(device, "device"),
        _digits(inode, "inode"),
        None if birth is None else _is(int, birth, "birth"),
        None if generation is None else _number(generation, "generation"),
        None if handle is None else _is(bytes, handle, "handle"),
        _digits(filesystem, "filesystem"),
    )
    xattrs = tuple((_is(str, name, "attribute"), _is(bytes, value, "attribute")) for name, value in attributes)
    rights = _rights(uid, gid, mode, acl)
    original = replace(
        rights, xattrs=xattrs, accessed=_is(int, accessed, "accessed"), modified=_is(int, modified, "modified")
    )
    return FileRecord(_number(id, "id"), path_of(path), identity, _is(str, boot, "boot"), original)


def path_of(value: Any) -> str:
    """The path in the column of that name. Raises ParseError."""
    raw = _is(bytes, value, "path")
    if raw[:1] != b"/" or b"\0" in raw:
        raise ParseError("path is not an absolute path")
    return os.fsdecode(raw)


def file_row(file: FileRecord) -> tuple[Any, ...]:
    """The values of :data:`FILE_COLUMNS` without the id."""
    identity, original = file.identity, file.original
    return (
        os.fsencode(file.path),
        file.boot,
        str(identity.device),
        str(identity.inode),
        identity.birth,
        identity.generation,
        identity.handle,
        str(identity.filesystem),
        *rights_row(original),
        original.accessed,
        original.modified,
    )


def hold_of(row: tuple[Any, ...], file: FileRecord) -> Hold:
    """A row of :data:`HOLD_COLUMNS`. Raises ParseError."""
    id, grant, _, changes, access, phase, *after = row
    return Hold(
        id=_number(id, "id"),
        grant=_number(grant, "grant"),
        file=file,
        changes=read_changes(_is(str, changes, "changes")),
        access=_member(Access, access, "access"),
        phase=_member(Phase, phase, "phase"),
        after=_rights(*after),
    )


def rights_row(state: FileState) -> tuple[int, int, int, bytes | None]:
    """The columns ``…uid, …gid, …mode, …acl``."""
    return state.uid, state.gid, state.mode, state.acl


def plain_text(text: str) -> str:
    """SQLite takes no lone surrogates, and ``target`` is only ever shown."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _rights(uid: Any, gid: Any, mode: Any, acl: Any) -> FileState:
    """The columns ``…uid, …gid, …mode, …acl``."""
    if acl is not None:
        decode(_is(bytes, acl, "acl"))
    return FileState(*_owner(uid, gid), _number(mode, "mode", _MODE), acl)


def _owner(uid: Any, gid: Any) -> tuple[int, int]:
    return _number(uid, "uid", _LARGEST_ID), _number(gid, "gid", _LARGEST_ID)


def _is(kind: type[T], value: Any, column: str) -> T:
    if type(value) is not kind:
        raise ParseError(f"{column} is not of type {kind.__name__}")
    return value


def _number(value: Any, column: str, largest: int = _INT64) -> int:
    if not 0 <= _is(int, value, column) <= largest:
        raise ParseError(f"{column} is out of range: {value}")
    return int(value)


def _digits(value: Any, column: str) -> int:
    text = _is(str, value, column)
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(2**64))):
        raise ParseError(f"{column} is not a number")
    return int(text)


def _member(kind: type[StrEnum], value: Any, column: str) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        raise ParseError(f"{column} has an unknown value") from error
