"""A journal that is there and cannot be used: never taken for an empty one, always with its reason, and nothing is made or changed."""

import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diskchain.access.audit_state import journal_findings, journal_state
from diskchain.access.grants.changes import AddEntry, FileState
from diskchain.access.grants.file_state import FileIdentity
from diskchain.access.grants.journal import Journal, journal_exists
from diskchain.access.grants.journal_schema import FileRecord
from diskchain.access.requirements import Access
from diskchain.actions.revert import list_grants
from diskchain.actions.rights_audit import label_findings
from diskchain.errors import JournalError
from tests.access import kernel
from tests.access.verbs import Outcome, verb
from tests.access.world import STRANGER, grant, has_acl, make_chain
from tests.cli.commands import diskchain
from tests.discover.written import write_qcow2
from tests.live.hung import Served
from tests.live.peers import requires

pytestmark = requires("root")

WHO = ("--as", f"+{STRANGER.uid}:+{STRANGER.gid}")


@pytest.fixture
def image(image_dir: Path) -> Path:
    path = image_dir / "base"
    path.write_bytes(bytes(512))
    path.chmod(0o600)
    return path


@pytest.fixture
def state(image: Path, tmp_path: Path) -> Path:
    """The directory of a journal with one grant."""
    directory = tmp_path / "state"
    assert verb("grant", image, "-f", "raw", *WHO, "--apply", "--state", directory).code == 0
    assert has_acl(image)
    return directory


def listing(directory: Path) -> list[tuple[str, int]]:
    """Names and sizes of what is in a directory, empty when it is not there."""
    return sorted((entry.name, entry.lstat().st_size) for entry in directory.iterdir()) if directory.exists() else []


def change(directory: Path, *statements: str) -> None:
    with closing(sqlite3.connect(directory / "rights.db")) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def emptied(state: Path) -> None:
    (state / "rights.db").write_bytes(b"")


def dangling(state: Path) -> None:
    (state / "rights.db").unlink()
    (state / "rights.db").symlink_to("gone")


def no_database(state: Path) -> None:
    (state / "rights.db").write_bytes(b"not a database at all" * 100)


def another_database(state: Path) -> None:
    (state / "rights.db").unlink()
    change(state, "CREATE TABLE x (y)")


def newer(state: Path) -> None:
    change(state, "PRAGMA user_version = 99")


def a_fifo(state: Path) -> None:
    (state / "rights.db").unlink()
    os.mkfifo(state / "rights.db")


def a_directory(state: Path) -> None:
    (state / "rights.db").unlink()
    (state / "rights.db").mkdir()


def somebody_else_s(state: Path) -> None:
    os.chown(state / "rights.db", STRANGER.uid, STRANGER.gid)


def world_writable(state: Path) -> None:
    state.chmod(0o777)


def half_gone(state: Path) -> None:
    (state / "rights.db").unlink()
    (state / "rights.db-journal").write_bytes(b"x")


def cut_short(state: Path) -> None:
    os.truncate(state / "rights.db", 4096)


UNUSABLE: list[tuple[Callable[[Path], None], str]] = [
    (emptied, "it is empty"),
    (dangling, "symbolic link to nothing"),
    (no_database, "file is not a database"),
    (another_database, "no journal of diskchain"),
    (newer, "version 99"),
    (a_fifo, "no regular file"),
    (a_directory, "no regular file"),
    (somebody_else_s, "belongs to another user"),
    (world_writable, "can be written by every user"),
    (half_gone, "it is gone"),
    (cut_short, "malformed|damaged"),
]


@pytest.mark.parametrize(("spoil", "reason"), UNUSABLE, ids=lambda each: getattr(each, "__name__", ""))
def test_every_verb_says_so_and_ends_with_3(
    image: Path, state: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(state)
    before = listing(state)
    plan = ("grant", image, "-f", "raw", *WHO)
    for words in (("revert",), ("revert", "--list"), ("revert", "--list", "--json"), plan, (*plan, "--apply")):
        said = verb(str(words[0]), *words[1:], "--state", state)
        assert said.code == 3, (words, said)
        assert re.search(reason, said.out + said.err), (words, said)
        assert "nothing is granted" not in said.out
    assert [name for name, _ in listing(state) if name != "rights.lock"] == [
        name for name, _ in before if name != "rights.lock"
    ]
    found = label_findings([], state=state)
    assert found
    assert {each.id for each in found} == {"journal-unusable"}


def test_a_directory_that_is_a_dangling_link_is_not_one_without_a_journal(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("gone")
    for directory in (link, link / "below"):
        said = verb("revert", "--state", directory)
        assert said.code == 3
        assert "symbolic link to nothing" in said.err


def test_where_no_journal_is_nothing_is_made_and_nothing_is_granted(image: Path, tmp_path: Path) -> None:
    state = tmp_path / "none"
    for words in (("revert",), ("revert", "--list")):
        assert verb(*words, "--state", state) == Outcome(0, "nothing is granted\n", "")
    assert verb("grant", image, "-f", "raw", *WHO, "--state", state).code == 0
    assert not state.exists()
    assert [*journal_findings(journal_state(state))] == []


def test_a_journal_on_a_read_only_file_system_is_listed_and_nothing_is_said_to_be_given_back(
    image_dir: Path, image: Path
) -> None:
    def work() -> object:
        kernel.own_mounts()
        mounted = image_dir / "mounted"
        mounted.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "none", mounted], check=True)
        state = mounted / "state"
        verb("grant", image, "-f", "raw", *WHO, "--apply", "--state", state)
        subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
        reverted, listed = verb("revert", "--state", state), verb("revert", "--list", "--state", state)
        planned = verb("grant", image, "-f", "raw", *WHO, "--state", state)
        told = [each.code == 3 and "mounted read-only" in each.err for each in (reverted, listed, planned)]
        findings = [each.id for each in journal_findings(journal_state(state))]
        subprocess.run(["mount", "-o", "remount,rw", mounted], check=True)
        still = has_acl(image)
        again = verb("revert", "--state", state).code
        return told, str(image) in listed.out, findings, still, again, has_acl(image)

    assert kernel.in_a_child(work) == repr(([True, True, True], True, ["journal-unusable"], True, 0, False))


def test_a_journal_of_root_is_no_empty_one_for_others(state: Path, image_dir: Path) -> None:
    state.rename(image_dir / "state")

    def attempt() -> list[object]:
        kernel.become(STRANGER)
        said = [verb(*words, "--state", image_dir / "state") for words in (("revert",), ("revert", "--list"))]
        return [(each.code, each.out, "Permission denied" in each.err) for each in said]

    assert kernel.in_a_child(attempt) == repr([(3, "", True), (3, "", True)])


@pytest.fixture
def two(image_dir: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """The directory of a journal with two grants, 1 and 2, and the file of each."""
    chain, (first,) = make_chain(image_dir, "first")
    other, (second,) = make_chain(image_dir, "second")
    from diskchain.access.assess import survey
    from diskchain.access.grants.apply import apply
    from diskchain.access.grants.plan import plan_grant
    from diskchain.storage.operation import Start

    with Journal(tmp_path / "state") as journal:
        for name, each in (("a", chain), ("b", other)):
            apply(plan_grant(survey(each, Start(), STRANGER), STRANGER), journal, target=name, operation="start")
    assert has_acl(first)
    assert has_acl(second)
    return tmp_path / "state", first, second


DAMAGE = [
    "UPDATE hold SET changes = 'chmod 777' WHERE grant = 1",
    "UPDATE hold SET phase = 'whatever' WHERE grant = 1",
    "UPDATE hold SET access = X'00' WHERE grant = 1",
    "UPDATE hold SET after_mode = 'x' WHERE grant = 1",
    "UPDATE hold SET after_acl = X'00' WHERE grant = 1",
    "UPDATE file SET acl = X'0102' WHERE id = 1",
    "UPDATE file SET mode = 999999 WHERE id = 1",
    "UPDATE file SET uid = -7 WHERE id = 1",
    "UPDATE file SET device = 'abc' WHERE id = 1",
    "UPDATE file SET path = 'relative' WHERE id = 1",
    "UPDATE file SET path = X'2f00' WHERE id = 1",
    "UPDATE file SET boot = CAST(X'fffe' AS BLOB) WHERE id = 1",
    "INSERT INTO attribute VALUES (1, 'security.selinux', 5)",
    "DELETE FROM file WHERE id = 1",
]


@pytest.mark.parametrize("statement", DAMAGE)
def test_a_damaged_record_is_told_and_the_others_are_given_back(two: tuple[Path, Path, Path], statement: str) -> None:
    state, first, second = two
    change(state, "PRAGMA foreign_keys = OFF", statement)
    listed = verb("revert", "--list", "--state", state)
    assert listed.code == 3
    assert "damaged" in listed.out
    assert str(second) in listed.out
    said = verb("revert", "--state", state)
    assert said.code == 3
    assert f"grant 2: {second}: restored" in said.out
    assert "damaged" in said.out
    assert not has_acl(second)
    assert has_acl(first)
    assert verb("revert", "1", "--state", state).code == 3
    assert {each.id for each in journal_findings(journal_state(state))} == {"journal-unusable"}
    assert verb("revert", "--forget", "--state", state).code == 0
    assert verb("revert", "--state", state) == Outcome(0, "nothing is granted\n", "")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE grant SET uid = 'x' WHERE id = 1",
        "UPDATE grant SET holder_pid = 'x' WHERE id = 1",
        "DELETE FROM grant WHERE id = 1",
    ],
)
def test_of_a_damaged_grant_what_it_holds_is_given_back_by_its_number(
    two: tuple[Path, Path, Path], statement: str
) -> None:
    state, first, second = two
    change(state, "PRAGMA foreign_keys = OFF", statement)
    verb("revert", "--state", state)
    assert not has_acl(second)
    assert has_acl(first)
    said = verb("revert", "1", "--state", state)
    assert (said.code, said.out) == (0, f"grant 1: {first}: restored\n")
    assert not has_acl(first)
    assert verb("revert", "--state", state) == Outcome(0, "nothing is granted\n", "")


def test_nothing_is_granted_on_top_of_a_damaged_record(two: tuple[Path, Path, Path], image: Path) -> None:
    state, _, _ = two
    change(state, DAMAGE[0])
    said = verb("grant", image, "-f", "raw", *WHO, "--apply", "--state", state)
    assert said.code == 3
    assert "damaged" in said.err
    assert not has_acl(image)
    planned = verb("grant", image, "-f", "raw", *WHO, "--json", "--state", state)
    assert planned.code == 3
    assert "damaged" in json.loads(planned.out)["journal-problem"]


@pytest.mark.parametrize("page", range(2, 12))
def test_a_page_that_cannot_be_read_hides_no_record_on_another(tmp_path: Path, image_dir: Path, page: int) -> None:
    state = tmp_path / "state"
    with Journal(state) as journal:
        chain, paths = make_chain(image_dir, *(f"image-{number}-{'x' * 150}" for number in range(40)))
        grant(chain, journal)
    size = 4096
    assert (state / "rights.db").stat().st_size >= 11 * size
    with (state / "rights.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    said = verb("revert", "--state", state)
    restored = [path for path in paths if not has_acl(path)]
    assert said.out.count(": restored\n") + said.out.count("restored, but still recorded") == len(restored)
    assert said.code in (1, 3) if len(restored) < len(paths) else said.code in (0, 1, 3)


@pytest.fixture(scope="module")
def bytes_of_a_journal(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tmp_path_factory.mktemp("journal")
    with Journal(directory) as journal:
        for number in range(3):
            made = journal.begin(f"vm{number}", "commit", 5, 6)
            identity = FileIdentity(1, number, 3)
            original = FileState(0, 0, 0o600, xattrs=(("security.selinux", b"x"),))
            record = FileRecord(0, f"/nowhere/{number}", identity, "boot", original)
            journal.hold(made, record, (AddEntry(5, 6),), Access.WRITE, original)
    return (directory / "rights.db").read_bytes()


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_bytes_are_a_journal_or_a_journal_error(
    bytes_of_a_journal: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Bytes of a real journal, some of them others, perhaps cut short."""
    changed = bytearray(bytes_of_a_journal)
    used = [offset for offset, byte in enumerate(changed) if byte]
    for offset, byte in data.draw(st.lists(st.tuples(st.sampled_from(used), st.integers(0, 255)), max_size=6)):
        changed[offset] = byte
    length = data.draw(st.just(len(changed)) | st.integers(0, len(changed)))
    directory = tmp_path_factory.mktemp("changed")
    (directory / "rights.db").write_bytes(changed[:length])
    try:
        listed = list_grants(directory)
    except JournalError:
        assert journal_state(directory).problems
    else:
        assert all(isinstance(grant.uid, int) for grant in listed.contents.grants)
    assert [path.name for path in directory.iterdir()] == ["rights.db"]


def test_another_process_that_does_not_end_is_waited_for_only_so_long(state: Path) -> None:
    with Journal(state) as journal, journal.exclusive():
        said = diskchain("revert", "--timeout", "0.3", "--state", state, seconds=20)
    assert said.code == 3
    assert "the journal cannot be used: no answer within 0.3 s" in said.err
    with Journal(state) as again, again.exclusive():
        pass


def test_a_journal_on_storage_that_does_not_answer_is_told_in_time(
    state: Path, image: Path, serve: Callable[[Path], Served]
) -> None:
    served = serve(state / "rights.db")
    served.hang()
    plan = ("grant", image, "-f", "raw", *WHO)
    for words in (("revert",), ("revert", "--list"), plan, (*plan, "--apply")):
        said = diskchain(*words, "--timeout", "0.3", "--state", state, seconds=20)
        assert said.code == 3, (words, said)
        assert "no answer within 0.3 s" in said.err
    (found,) = journal_findings(journal_state(state, 0.3))
    assert found.id == "journal-unusable"
    served.answer()


def test_a_journal_whose_storage_did_not_answer_is_not_asked_again(
    state: Path, serve: Callable[[Path], Served]
) -> None:
    served = serve(state / "rights.db")
    with Journal(state, "read", seconds=0.3) as journal:
        served.hang()
        with pytest.raises(JournalError, match="no answer"):
            journal.contents()
        served.answer()
        with pytest.raises(JournalError, match="does not answer"):
            journal.contents()


def test_a_half_made_journal_of_a_killed_process_is_made_anew(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "rights.db.new").write_bytes(b"half")
    (state / "rights.db.new-journal").write_bytes(b"half")
    assert not journal_exists(state)
    with Journal(state) as journal:
        assert journal.grants() == ()
    assert [name for name, _ in listing(state)] == ["rights.db", "rights.lock"]


def test_a_user_without_a_home_has_no_journal_and_is_told_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    said = verb("revert", "--list")
    assert said.code == 2
    assert "--state" in said.err
    assert journal_state().problems == ()


def test_an_overlay_s_rights_are_listed_as_json(tmp_path: Path, image_dir: Path) -> None:
    (image_dir / "base").write_bytes(bytes(65536))
    top = write_qcow2(image_dir / "top", "base", "raw")
    top.chmod(0o600)
    state = tmp_path / "state"
    assert verb("grant", top, *WHO, "--apply", "--state", state).code == 0
    listed = json.loads(verb("revert", "--list", "--json", "--state", state).out)
    (made,) = listed["grants"]
    assert (made["grant"], made["uid"], made["over"]) == (1, STRANGER.uid, True)
    assert made["files"][0]["changes"] == [{"kind": "acl", "uid": STRANGER.uid, "permissions": "rw-"}]
