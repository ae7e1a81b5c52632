"""SIGKILL at every instant of granting and giving back: the next revert ends in the original state.

Each test walks through all changes of one act; nothing is sampled. Without a deadline the traced thread makes them all. Files and
journal live in memory where the host has a tmpfs at /dev/shm, since thousands of synced writes are waited for.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from math import inf
from pathlib import Path

import pytest

from diskchain.access.grants.journal import Journal
from diskchain.access.grants.journal_schema import Contents
from diskchain.access.grants.revert import revert
from diskchain.access.grants.revert_rules import RevertOptions
from tests.access import kernel
from tests.access.sudden_death import dies_before_change
from tests.access.world import STRANGER, State, grant, make_chain, states_of
from tests.live.peers import requires

pytestmark = [requires("root"), pytest.mark.timeout(600)]

#: Fewer would mean that the work did next to nothing.
_AT_LEAST = 20


@pytest.fixture
def memory() -> Iterator[Path]:
    shared = Path("/dev/shm")  # noqa: S108 - memory, not a place for secrets
    directory = Path(tempfile.mkdtemp(prefix="diskchain-", dir=shared if shared.is_dir() else None))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


class Stage:
    """A fresh chain and journal for each death."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        closed = directory / "closed"
        closed.mkdir(mode=0o700)
        self.chain, self.paths = make_chain(closed, "top", "base")
        self.other_chain, other = make_chain(closed, "other", "base")
        self.paths += [other[0], closed]
        self.original = states_of(self.paths)
        self.state = directory / "state"

    def grant(self, target: str, *, other: bool = False) -> None:
        with Journal(self.state, seconds=inf) as journal:
            grant(self.other_chain if other else self.chain, journal, target=target, seconds=inf)

    def revert(self, grants: list[int] | None = None) -> None:
        with Journal(self.state, seconds=inf) as journal:
            outcomes = revert(journal, grants, RevertOptions(), seconds=inf)
            assert all(outcome.done for outcome in outcomes), outcomes

    def states(self) -> dict[Path, State]:
        return states_of(self.paths)

    def is_forgotten(self) -> bool:
        with Journal(self.state, seconds=inf) as journal:
            return journal.contents() == Contents()


def die_everywhere(
    memory: Path,
    prepare: Callable[[Stage], object],
    work: Callable[[Stage], object],
    check: Callable[[Stage], object],
    at_least: int = _AT_LEAST,
) -> int:
    """For each change of `work`: prepare a stage, die there, check. Gives the number of deaths."""
    for number in count():
        stage = Stage(memory / str(number))
        prepare(stage)
        died = dies_before_change(number, partial(work, stage))
        check(stage)
        shutil.rmtree(stage.directory)
        if not died:
            assert number > at_least
            return number
    raise AssertionError("unreachable")


def nothing(_: Stage) -> None:
    """There is nothing to prepare."""


def reverts_to_the_original(stage: Stage) -> None:
    stage.revert()
    assert stage.states() == stage.original
    assert stage.is_forgotten()


def test_death_while_granting(memory: Path) -> None:
    die_everywhere(memory, nothing, lambda stage: stage.grant("vm"), reverts_to_the_original)


def test_death_while_giving_back(memory: Path) -> None:
    die_everywhere(memory, lambda stage: stage.grant("vm"), lambda stage: stage.revert(), reverts_to_the_original)


def test_granting_again_after_death_completes_the_job(memory: Path) -> None:
    def check(stage: Stage) -> None:
        stage.grant("vm")
        assert kernel.opens_as(STRANGER, [(str(stage.paths[1]), 2)]) == [0]
        reverts_to_the_original(stage)

    die_everywhere(memory, nothing, lambda stage: stage.grant("vm"), check)


def test_death_while_a_second_grant_is_made_leaves_the_first_its_rights(memory: Path) -> None:
    def check(stage: Stage) -> None:
        with Journal(stage.state, seconds=inf) as journal:
            others = [grant.id for grant in journal.grants() if grant.target == "second"]
        stage.revert(others)
        assert kernel.opens_as(STRANGER, [(str(path), 2) for path in stage.paths[:2]]) == [0, 0]
        assert stage.states()[stage.paths[2]] == stage.original[stage.paths[2]]
        reverts_to_the_original(stage)

    die_everywhere(memory, lambda stage: stage.grant("first"), lambda stage: stage.grant("second", other=True), check)


def test_death_while_one_of_two_grants_is_given_back_leaves_the_other_its_rights(memory: Path) -> None:
    def prepare(stage: Stage) -> None:
        stage.grant("first")
        stage.grant("second", other=True)

    def check(stage: Stage) -> None:
        stage.revert([1])
        rights = kernel.opens_as(STRANGER, [(str(path), 2) for path in stage.paths[:3]])
        assert [code == 0 for code in rights] == [False, True, True]
        reverts_to_the_original(stage)

    die_everywhere(memory, prepare, lambda stage: stage.revert([1]), check)


def test_death_while_an_old_journal_is_migrated(memory: Path) -> None:
    def prepare(stage: Stage) -> None:
        stage.grant("vm")
        database = sqlite3.connect(stage.state / "rights.db")
        database.executescript(
            "ALTER TABLE hold RENAME COLUMN grant TO job; ALTER TABLE grant RENAME TO job; PRAGMA user_version = 1"
        )
        database.close()

    def migrate(stage: Stage) -> None:
        Journal(stage.state, "change", seconds=inf).close()

    die_everywhere(memory, prepare, migrate, reverts_to_the_original, at_least=5)
