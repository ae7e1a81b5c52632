"""The tables of states agree with each other, and the page with them."""

from pathlib import Path

import pytest

from diskchain.jobs.states import FINAL, JOB_STATUS, NEXT, TABLE, WAY, State, following, reached

PAGE = Path(__file__).parents[2] / "docs" / "jobs.md"


def test_every_state_has_a_row_and_successors() -> None:
    assert {row.state for row in TABLE} == set(NEXT) == set(State)


def test_each_state_of_the_way_leads_to_the_next() -> None:
    for state in WAY[:-1]:
        assert following(state) in NEXT[state]


def test_every_state_before_the_pointer_can_be_taken_back_and_so_can_those_after() -> None:
    assert all(State.ROLLED_BACK in NEXT[state] for state in State if state is not State.ROLLED_BACK)


def test_nothing_follows_the_end_but_taking_it_back() -> None:
    assert frozenset().union(*(NEXT[state] for state in FINAL)) == {State.ROLLED_BACK}


def test_only_a_state_of_the_way_has_come_far() -> None:
    assert reached(State.CLEANED, State.PLANNED)
    assert not reached(State.COPYING, State.PROVEN)
    assert not reached(State.ROLLED_BACK, State.PLANNED)


@pytest.mark.parametrize("status", JOB_STATUS)
def test_qemus_table_names_no_status_that_it_lacks(status: str) -> None:
    assert JOB_STATUS[status] <= set(JOB_STATUS)


def test_the_page_has_the_table() -> None:
    text = PAGE.read_text()
    for row in TABLE:
        assert f"| {row.state} | {row.means} | {row.next} | {row.killed} |" in text
