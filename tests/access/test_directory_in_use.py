"""The right to search a directory stays while its user has something open below it, and goes with the last of it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from diskchain.access.grants.journal import Journal
from diskchain.access.grants.revert import Outcome, revert
from diskchain.access.grants.revert_rules import Result, RevertOptions
from tests.access import kernel
from tests.access.world import ANOTHER, STRANGER, grant, has_acl, make_chain, states_of
from tests.live.peers import requires

pytestmark = requires("root")

#: A shell, since any user may run that.
_HOLD = '[ $# = 0 ] || exec 3<"$1"; echo open; read -r line'


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "state") as journal:
        yield journal


@pytest.fixture
def closed(image_dir: Path) -> Path:
    directory = image_dir / "closed"
    directory.mkdir(mode=0o700)
    return directory


@contextmanager
def opened_by(user: int, *path: Path) -> Iterator[int]:
    """A process of a user that has a file open, as a QEMU without image locks has."""
    command = ["sh", "-c", _HOLD, "sh", *map(str, path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, user=user, group=user, extra_groups=[], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield process.pid
        process.communicate()


def result_of(path: Path, outcomes: tuple[Outcome, ...]) -> Outcome:
    (found,) = [outcome for outcome in outcomes if outcome.path == str(path)]
    return found


@pytest.mark.parametrize("named", [True, False])
def test_it_stays_while_the_user_has_a_file_below_it_open(closed: Path, journal: Journal, *, named: bool) -> None:
    chain, paths = make_chain(closed, "top", "base")
    before = states_of([closed, *paths])
    made = grant(chain, journal).grant
    numbers = [made.id] if named else None
    with opened_by(STRANGER.uid, paths[0]) as process:
        said = result_of(closed, revert(journal, numbers))
        assert said.result is Result.KEPT
        assert f"it is the way to {paths[0]}, which " in said.reason
        assert f"(process {process}) has open" in said.reason
        assert has_acl(closed)
    assert result_of(closed, revert(journal, numbers)).result is Result.RESTORED
    assert states_of([closed, *paths]) == before


def test_it_stays_for_a_file_that_was_made_since(closed: Path, journal: Journal) -> None:
    chain, _ = make_chain(closed, "top", "base")
    grant(chain, journal)
    deeper = closed / "snapshots"
    deeper.mkdir()
    new = deeper / "overlay"
    new.write_bytes(b"x")
    with opened_by(STRANGER.uid, new):
        said = result_of(closed, revert(journal))
        assert (said.result, str(new) in said.reason) == (Result.KEPT, True)
    assert result_of(closed, revert(journal)).result is Result.RESTORED


def test_it_goes_while_others_have_files_below_it_open(closed: Path, journal: Journal) -> None:
    chain, paths = make_chain(closed, "top", "base", mode=0o644)
    closed.chmod(0o750)
    os.chown(closed, 0, ANOTHER.gid)
    grant(chain, journal)
    with opened_by(ANOTHER.uid, paths[0]):
        assert result_of(closed, revert(journal)).result is Result.RESTORED


def test_a_file_beside_a_directory_of_a_longer_name_does_not_count(
    closed: Path, image_dir: Path, journal: Journal
) -> None:
    chain, _ = make_chain(closed, "top", "base")
    grant(chain, journal)
    other = image_dir / "closed-too"
    other.write_bytes(b"x")
    with opened_by(STRANGER.uid, other):
        assert result_of(closed, revert(journal)).result is Result.RESTORED


def test_force_takes_it_away_all_the_same(closed: Path, journal: Journal) -> None:
    chain, paths = make_chain(closed, "top", "base")
    grant(chain, journal)
    with opened_by(STRANGER.uid, paths[0]):
        outcomes = revert(journal, options=RevertOptions(force=True))
    assert result_of(closed, outcomes).result is Result.RESTORED


def test_it_stays_where_what_the_user_has_open_cannot_be_seen(image_dir: Path) -> None:
    """A caller without root's rights sees no descriptors of others, so that user's processes may have anything open."""
    mine = image_dir / "mine"
    mine.mkdir(mode=0o700)
    os.chown(mine, ANOTHER.uid, ANOTHER.gid)

    def work() -> object:
        kernel.become(ANOTHER)
        closed = mine / "closed"
        closed.mkdir(mode=0o700)
        chain, _ = make_chain(closed, "top", "base", mode=0o644)
        with Journal(mine / "state") as journal:
            grant(chain, journal)
            said = result_of(closed, revert(journal))
            forced = result_of(closed, revert(journal, options=RevertOptions(force=True)))
        return str(said.result), "cannot be seen" in said.reason, str(forced.result), has_acl(closed)

    with opened_by(STRANGER.uid):
        assert kernel.in_a_child(work) == repr(("kept, in use", True, "restored", False))
