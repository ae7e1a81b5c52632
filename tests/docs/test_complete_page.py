"""The page about ``complete`` lists the differences that the tests against libvirt judge, in their words."""

from pathlib import Path

import pytest
from tests.live.differences import DIFFERENCES, Difference

_PAGE = Path(__file__).parents[2] / "docs" / "complete.md"


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_the_page_gives_the_reason(difference: Difference) -> None:
    lines = [line.replace("`", "").removeprefix("* ") for line in _PAGE.read_text().splitlines()]
    assert any(line.lower() == f"{difference.reason}.".lower() for line in lines)


def test_the_page_lists_nothing_else() -> None:
    assert sum(line.startswith("* ") for line in _PAGE.read_text().splitlines()) == len(DIFFERENCES)
