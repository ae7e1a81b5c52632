"""The helpers of tests.values tell values apart where plain equality does not."""

import pytest

from diskchain.guest.target import Target
from diskchain.storage.location import BlockLocation, FileLocation
from diskchain.storage.slice import Slice
from diskchain.storage.source import TERMINATOR, Source, Terminator
from tests.values import same, values


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        ("a", "b"),
        ((1, 2), Slice(1, 2)),
        (TERMINATOR, (False,)),
        (Source(FileLocation("/a")), Source(BlockLocation("/a"))),
        (Terminator(detected=True), (True,)),
        (Target("vda"), Target("vdb")),
        ((1,), (1, 2)),
    ],
)
def test_values_of_other_types_are_not_the_same(one: object, other: object) -> None:
    assert same(one, one)
    assert same(other, other)
    assert not same(one, other)
    assert not same(other, one)


def test_a_chain_of_any_length_is_compared() -> None:
    one = other = Source(FileLocation("/0"))
    for number in range(5000):
        one = Source(FileLocation(f"/{number}"), backing=one)
        other = Source(FileLocation(f"/{number}"), backing=other)
    assert same(one, other)


def test_everything_inside_a_value_is_listed() -> None:
    found = list(values(Source(FileLocation("/a"), slice=Slice(1, 2))))
    assert {Slice(1, 2), FileLocation("/a"), "/a", 1, 2} <= set(found)
