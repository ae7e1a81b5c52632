"""What the journal keeps: its tables, the values that come out of them, and the way between the two. Pure.

Numbers that may not fit SQLite's signed 64 bits (inodes, devices) are kept as text; paths are bytes.
"""

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from diskchain.access.grants.changes import Change, FileState, read_changes
from diskchain.access.grants.file_state import FileIdentity
from diskchain.access.requirements import Access
from diskchain.system.process import Holder

VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE job (
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
    job INTEGER NOT NULL REFERENCES job(id), file INTEGER NOT NULL REFERENCES file(id),
    changes TEXT NOT NULL, access TEXT NOT NULL, phase TEXT NOT NULL,
    after_uid INTEGER NOT NULL, after_gid INTEGER NOT NULL, after_mode INTEGER NOT NULL, after_acl BLOB,
    UNIQUE (job, file)
);
"""
#: The columns :func:`file_of` wants, in order.
FILE_COLUMNS: Final = (
    "id, path, boot, device, inode, birth, generation, handle, filesystem, uid, gid, mode, acl, accessed, modified"
)


class Phase(StrEnum):
    """How far a hold has come. Only in ``APPLIED`` is the file known to be as the journal says."""

    PLANNED = "planned"
    APPLIED = "applied"
    REVERTING = "reverting"


@dataclass(frozen=True, slots=True)
class Job:
    """Somebody's permission to do one operation. ``created`` in seconds since the epoch; ``target`` is for people."""

    id: int
    created: int
    target: str
    operation: str
    uid: int
    gid: int
    holder: Holder | None = None


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file and its state before any job. ``boot`` is the boot it was written in."""

    id: int
    path: str
    identity: FileIdentity
    boot: str
    original: FileState


@dataclass(frozen=True, slots=True)
class Hold:
    """One job's hold on one file. ``after``: its rights once the changes were made (no attributes, no times)."""

    id: int
    job: int
    file: FileRecord
    changes: tuple[Change, ...]
    access: Access
    phase: Phase
    after: FileState


def job_of(row: tuple[Any, ...]) -> Job:
    """A row of ``job``."""
    holder = None if row[6] is None else Holder(pid=row[6], started=row[7], boot=row[8])
    id, created, target, operation, uid, gid = row[:6]
    return Job(id, created, target, operation, uid, gid, holder)


def file_of(row: tuple[Any, ...], attributes: list[tuple[Any, ...]]) -> FileRecord:
    """A row of ``file`` (:data:`FILE_COLUMNS`), and its rows of ``attribute``: name and value."""
    id, path, boot, device, inode, birth, generation, handle, filesystem, uid, gid, mode, acl, accessed, modified = row
    identity = FileIdentity(int(device), int(inode), birth, generation, handle, int(filesystem))
    original = FileState(uid, gid, mode, acl, tuple((name, value) for name, value in attributes), accessed, modified)
    return FileRecord(id, os.fsdecode(path), identity, boot, original)


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


def hold_of(row: tuple[Any, ...], files: dict[int, FileRecord]) -> Hold:
    """A row of ``hold``. Raises ParseError, KeyError or ValueError for a row that no version of ours wrote."""
    return Hold(
        id=row[0],
        job=row[1],
        file=files[row[2]],
        changes=read_changes(row[3]),
        access=Access(row[4]),
        phase=Phase(row[5]),
        after=FileState(*row[6:10]),
    )


def rights_row(state: FileState) -> tuple[int, int, int, bytes | None]:
    """The columns ``…uid, …gid, …mode, …acl``."""
    return state.uid, state.gid, state.mode, state.acl


def plain_text(text: str) -> str:
    """SQLite takes no lone surrogates, and ``target`` is only ever shown."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
