"""Patterns that every Python we run on reads the same way."""

import re
from pathlib import Path

import pytest

import diskchain

SOURCES = Path(diskchain.__file__).parent

# A group, or a counted one, that is possessive; or an atomic group. A class or one character may be: `[a-z]*+` is sound.
_POSSESSIVE_GROUP = re.compile(r"(?<!\\)\)(?:[*+?]|\{[0-9,]+\})\+|\(\?>")
_PATTERN = re.compile(r"""\bre\.(?:compile|search|match|fullmatch|sub|findall|finditer|split)\(.*""")


@pytest.mark.parametrize("pattern", ["(?:a|b)*+c", "(a){1,3}+", "(?>a|b)"])
def test_possessive_groups_are_recognised(pattern: str) -> None:
    assert _POSSESSIVE_GROUP.search(pattern)


@pytest.mark.parametrize("pattern", ["[^()*+,;=]+", r"\)*+", "[a-z]*+", "(?:a|b)*"])
def test_other_patterns_are_none(pattern: str) -> None:
    assert not _POSSESSIVE_GROUP.search(re.sub(r"\[[^\]]*\]", "c", pattern))


def test_no_pattern_has_a_possessive_group() -> None:
    """Python before 3.11.5, and so Debian 12's, matches them wrongly: https://github.com/python/cpython/issues/106052."""
    found = [
        f"{path.relative_to(SOURCES)}:{number}"
        for path in sorted(SOURCES.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        for pattern in _PATTERN.findall(line)
        if _POSSESSIVE_GROUP.search(re.sub(r"\[[^\]]*\]", "c", pattern))
    ]
    assert found == []
