"""The journal as a file: what it keeps, what it refuses, what it survives."""

import os
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diskchain.access.grants.changes import AddEntry, AddMode, Change, FileState, SetOwner, read_changes, write_changes
from diskchain.access.grants.file_state import FileIdentity
from diskchain.access.grants.journal import Journal
from diskchain.access.grants.journal_schema import FileRecord, Phase
from diskchain.access.requirements import Access
from diskchain.errors import ParseError
from diskchain.system.journal_file import state_directory
from diskchain.system.posix_acl import encode
from diskchain.system.process import Holder
from tests.access.strategies import acls

BIG = 2**64 - 1
CHANGES = st.lists(
    st.builds(AddEntry, st.integers(0, 2**32 - 2), st.integers(1, 7))
    | st.builds(AddMode, st.integers(0, 0o777))
    | st.builds(SetOwner, st.integers(0, 2**32 - 2)),
    max_size=4,
).map(tuple)


@given(CHANGES)
def test_changes_survive_their_text(changes: tuple[Change, ...]) -> None:
    assert read_changes(write_changes(changes)) == changes


@given(st.text(max_size=20))
def test_any_text_is_changes_or_a_parse_error(text: str) -> None:
    with suppress(ParseError):
        read_changes(text)


@settings(max_examples=25)  # each is several writes that are waited for
@given(
    acl=st.none() | acls().map(encode),
    changes=CHANGES,
    birth=st.none() | st.integers(0, 2**62),
    name=st.binary(min_size=1, max_size=20).filter(lambda raw: b"\0" not in raw),
    xattrs=st.dictionaries(st.sampled_from(("security.selinux", "trusted.x")), st.binary(max_size=9)),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    acl: bytes | None,
    changes: tuple[Change, ...],
    birth: int | None,
    name: bytes,
    xattrs: dict[str, bytes],
) -> None:
    original = FileState(1, 2, 0o640, acl, tuple(sorted(xattrs.items())), 3, 4)
    identity = FileIdentity(BIG, BIG, birth, 7, b"handle", BIG)
    path = os.fsdecode(b"/" + name)
    with Journal(tmp_path_factory.mktemp("journal")) as journal:
        grant = journal.begin(path, "commit", 5, 6, Holder(1, 2, "boot"))
        after = FileState(1, 2, 0o660)
        hold = journal.hold(grant, FileRecord(0, path, identity, "boot", original), changes, Access.WRITE, after)
    with Journal(Path(journal.directory)) as again:
        (read,) = again.holds()
        assert again.grants() == (grant,)
        assert read == hold
        assert (read.file.path, read.file.identity, read.file.original) == (path, identity, original)
        assert (read.changes, read.access, read.phase, read.after) == (changes, Access.WRITE, Phase.PLANNED, after)
        assert again.find_file(identity, "boot") == read.file


@pytest.fixture
def record() -> FileRecord:
    return FileRecord(0, "/x", FileIdentity(1, 2, 3), "boot", FileState(0, 0, 0o600))


def test_the_original_is_written_once_and_stays_until_the_last_hold_goes(tmp_path: Path, record: FileRecord) -> None:
    with Journal(tmp_path) as journal:
        first, second = (journal.begin(name, "commit", 1, 1) for name in ("first", "second"))
        one = journal.hold(first, record, (), Access.READ, record.original)
        found = journal.find_file(record.identity, "boot")
        assert found is not None
        two = journal.hold(second, replace(found, original=FileState(9, 9, 0)), (), Access.READ, record.original)
        assert two.file.original == record.original
        journal.release(one)
        assert journal.find_file(record.identity, "boot") == found
        assert journal.end(first)
        assert not journal.end(second)
        journal.release(two)
        assert journal.find_file(record.identity, "boot") is None


def test_numbers_of_grants_are_never_used_again(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        first = journal.begin("a", "commit", 1, 1)
        journal.end(first)
        assert journal.begin("b", "commit", 1, 1).id > first.id


@pytest.mark.parametrize(("birth", "boot", "same"), [(3, "boot", True), (4, "boot", False), (3, "later", True)])
def test_a_file_is_known_by_its_birth_also_after_a_reboot(
    record: FileRecord, birth: int, boot: str, *, same: bool
) -> None:
    device = 1 if boot == "boot" else 99
    other = FileIdentity(device, 2, birth)
    assert record.identity.same(other, rebooted=boot != record.boot) is same


def test_a_device_number_counts_where_nothing_else_vouches_for_the_file() -> None:
    assert not FileIdentity(1, 2).same(FileIdentity(9, 2), rebooted=True)
    assert not FileIdentity(1, 2, 3).same(FileIdentity(9, 2, 3))
    assert not FileIdentity(1, 2, 3, 4).same(FileIdentity(1, 2, 3, 5))


def test_only_one_process_applies_at_a_time(tmp_path: Path) -> None:
    order: list[str] = []
    with Journal(tmp_path) as journal:
        with journal.exclusive():
            waiting = threading.Thread(target=_enter_alone, args=(tmp_path, order))
            waiting.start()
            waiting.join(0.2)
            order.append("first")
        waiting.join()
    assert order == ["first", "second"]


def _enter_alone(directory: Path, order: list[str]) -> None:
    with Journal(directory) as journal, journal.exclusive():
        order.append("second")


def test_the_journal_has_its_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_directory() == tmp_path / "diskchain"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/u")
    assert state_directory() == Path("/home/u/.local/state/diskchain")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state_directory() == Path("/var/lib/diskchain")
