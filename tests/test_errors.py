"""How names are shown."""

import os

import pytest

from diskchain.errors import printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"a b", "a b"),
        (b"\xc3\xa9", "é"),
        (b"a\xffb", r"a\xffb"),
        (b"a\nb", r"a\nb"),
        (b"\x1b[2J", r"\x1b[2J"),
        (b"\xe2\x80\xae", r"\u202e"),
    ],
)
def test_a_name_stays_one_line_and_its_bytes_can_be_told(name: bytes, shown: str) -> None:
    assert printable(os.fsdecode(name)) == shown


def test_a_surrogate_that_is_no_byte_is_shown_as_such() -> None:
    assert printable("\ud800") == r"\ud800"
