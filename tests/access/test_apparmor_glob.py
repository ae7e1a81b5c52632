"""AppArmor's path patterns."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diskchain.access.security.apparmor_glob import pattern_matches


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/a/b", "/a/b", True),
        ("/a/b", "/a/bc", False),
        ("/a/*", "/a/b", True),
        ("/a/*", "/a/", False),
        ("/a/*", "/a/b/c", False),
        ("/a/*/c", "/a//c", False),
        ("/a/b*", "/a/b", True),
        ("/a/**", "/a/b/c", True),
        ("/a/**", "/a/", False),
        ("/a/**/c", "/a/b/d/c", True),
        ("/a**", "/a", True),
        ("/a/?", "/a/b", True),
        ("/a/?", "/a//", False),
        ("/a/[bc]", "/a/c", True),
        ("/a/[^bc]", "/a/c", False),
        ("/a/[a-c]x", "/a/bx", True),
        ("/a/{b,c}", "/a/c", True),
        ("/a/{b,c{d,e}}f", "/a/cef", True),
        ("/a/{b,}c", "/a/c", True),
        (r"/a/\*", "/a/*", True),
        (r"/a/\*", "/a/b", False),
        ("/a/[1].img", "/a/[1].img", False),
        ("/a/{b", "/a/{b", None),
        ("/a/b}", "/a/b}", None),
        ("/a/[b", "/a/[b", None),
        ("@{HOME}/x", "/home/x", None),
    ],
)
def test_a_pattern_matches_as_apparmor_says(pattern: str, path: str, *, expected: bool | None) -> None:
    assert pattern_matches(pattern, path) is expected


@given(st.text(alphabet=st.characters(exclude_characters="*?[]{}^@\\"), max_size=20))
def test_a_plain_path_matches_itself(path: str) -> None:
    assert pattern_matches(path, path) is True


@given(st.text(alphabet="*?[]{}^@\\,ab/-", max_size=30), st.text(alphabet="ab/*[]", max_size=20))
def test_any_pattern_gets_an_answer(pattern: str, path: str) -> None:
    assert pattern_matches(pattern, path) in (True, False, None)


def test_a_hostile_name_cannot_make_matching_slow() -> None:
    started = time.process_time()
    pattern_matches("/" + "**a" * 32, "/" + "a" * 4000 + "b")
    pattern_matches("/" + "{a,b}" * 40, "/" + "a" * 40)
    assert time.process_time() - started < 5
