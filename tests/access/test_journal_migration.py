"""Journals written by older versions: what they granted is given back, and their numbers are kept."""

import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from diskchain.access.grants.file_state import open_rights
from diskchain.access.grants.journal import Journal
from diskchain.access.grants.journal_schema import VERSION
from diskchain.system.process import boot_id
from tests.access.verbs import verb
from tests.access.world import has_acl, state_of
from tests.live.peers import requires

pytestmark = requires("root")

#: As the first version wrote it, where a grant was called a job.
VERSION_1 = """
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
PRAGMA user_version = 1;
"""


@pytest.fixture
def image(image_dir: Path) -> Path:
    path = image_dir / "base"
    path.write_bytes(b"x")
    path.chmod(0o640)
    return path


@pytest.fixture
def old_state(image: Path, tmp_path: Path) -> Path:
    """The directory of an old journal, whose job 7 gave user 64999 an ACL entry on `image`."""
    with open_rights(str(image)) as file:
        identity, original = file.identity(), file.state()
        subprocess.run(["setfacl", "-n", "-m", "u:64999:rw,m::rw", image], check=True)
        after = file.state()
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    database = sqlite3.connect(state / "rights.db")
    database.executescript(VERSION_1)
    database.execute("INSERT INTO job VALUES (7, 1700000000, 'vm', 'commit', 64999, 64999, NULL, NULL, NULL)")
    known = (str(identity.device), str(identity.inode), identity.birth, identity.generation, identity.handle)
    times = (original.accessed, original.modified)
    row = (
        os.fsencode(image),
        boot_id(),
        *known,
        str(identity.filesystem),
        original.uid,
        original.gid,
        original.mode,
        original.acl,
        *times,
    )
    database.execute("INSERT INTO file VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    held = (after.uid, after.gid, after.mode, after.acl)
    database.execute("INSERT INTO hold VALUES (3, 7, 1, 'acl:64999:6', 'read-write', 'applied', ?, ?, ?, ?)", held)
    database.commit()
    database.close()
    return state


def test_what_an_old_journal_granted_is_given_back(old_state: Path, image: Path) -> None:
    assert has_acl(image)
    reverted = verb("revert", "7", "--state", old_state)
    assert (reverted.code, reverted.out) == (0, f"grant 7: {image}: restored\n")
    assert not has_acl(image)
    assert state_of(image)[2] & 0o7777 == 0o640


def test_an_old_journal_is_listed_with_its_numbers(old_state: Path, image: Path) -> None:
    listed = verb("revert", "--list", "--state", old_state)
    assert listed.code == 0
    assert "grant 7: commit of vm by 64999" in listed.out
    assert str(image) in listed.out
    assert version(old_state) == 1  # who only reads changes nothing
    assert verb("revert", "--state", old_state).code == 0
    assert version(old_state) == VERSION


def version(state: Path) -> int:
    database = sqlite3.connect(state / "rights.db")
    (found,) = database.execute("PRAGMA user_version").fetchone()
    database.close()
    return int(found)


def test_new_grants_in_an_old_journal_are_numbered_on(old_state: Path) -> None:
    with Journal(old_state) as journal:
        assert journal.begin("other", "start", 1, 1).id == 8
