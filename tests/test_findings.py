"""Words of shell commands: what is copied from a terminal means the same bytes again."""

import os
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diskchain.errors import printable
from diskchain.system.shell_words import file_word, shell_word
from tests.live.peers import requires


@requires("bash")
@given(st.binary(min_size=1, max_size=30).filter(lambda raw: 0 not in raw))
def test_a_shell_reads_a_word_as_the_same_bytes(raw: bytes) -> None:
    word = shell_word(os.fsdecode(raw))
    shown = subprocess.run(["bash", "-c", f"printf %s {word}"], check=True, capture_output=True)
    assert shown.stdout == raw


@given(st.binary(max_size=30).map(os.fsdecode))
def test_a_word_is_shown_as_it_is(text: str) -> None:
    assert printable(shell_word(text)) == shell_word(text)


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/a/b", "/a/b"),
        ("-x", "./-x"),
        ("a:b", "./a:b"),
        ("a/b:c", "a/b:c"),
        ("/$(touch x)", "'/$(touch x)'"),
        ("nbd://host/x", "nbd://host/x"),
        ("/new\nline", "$'/new\\012line'"),
    ],
)
def test_a_file_is_no_option_and_no_protocol(path: str, word: str) -> None:
    assert file_word(path) == word
