"""Whatever the text: a reference or a ReferenceSyntaxError, in bounded time; and reading loads nothing that is not needed."""

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from fuzz.fuzz_reference import run_one
from hypothesis import example, given, settings
from tests.storage.documents import BOTH
from tests.storage.strategies import nearly_references

from diskchain.errors import ReferenceSyntaxError
from diskchain.storage.reference import MAX_LENGTH, parse_reference, redacted
from diskchain.storage.reference.value import Dialect, Reference

_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("dialect", BOTH)
@settings(max_examples=500)
@given(text=nearly_references)
@example(text="iscsi://\ud800%41@h/t/1")
@example(text="http://h/\ud800%41")
@example(text="json:\ud800")
def test_any_text_is_a_reference_or_a_syntax_error(dialect: Dialect, text: str) -> None:
    with suppress(ReferenceSyntaxError):
        assert isinstance(parse_reference(text, dialect), Reference)


FUZZED = sorted(path for kind in ("seeds", "crashes") for path in (_ROOT / "fuzz" / kind / "reference").glob("*"))


@pytest.mark.parametrize("path", FUZZED, ids=lambda path: path.name)
def test_what_the_fuzzer_starts_from_and_once_found_is_fine(path: Path) -> None:
    run_one(path.read_bytes())


#: The worst we know for each syntax, repeated until the string is as long as any may be.
HEAVY = {
    "escapes": ("rbd:", "\\"),
    "escaped colons": ("rbd:p/i:", "\\:"),
    "options": ("rbd:p/i:", "a=b:"),
    "bare options": ("rbd:p/i:", ":"),
    "monitors": ("rbd:p/i:mon_host=", "a\\;"),
    "ats": ("http://", "@"),
    "colons": ("nbd://", ":"),
    "percents": ("http://h/", "%41"),
    "parameters": ("nfs://h/a?", "a;"),
    "slashes": ("gluster://h/", "/"),
    "objects": ('json:{"driver":"file","filename":"/a","x":', "{"),
    "arrays": ('json:{"driver":"file","filename":"/a","x":', "["),
    "numbers": ('json:{"driver":"file","filename":"/a","x":', "9"),
    "dots": ('json:{"', "."),
    "dotted keys": ('json:{"driver":"file","filename":"/a",', '"a.b":1,'),
    "quotes": ("json:{", "'"),
    "double quotes": ("json:{", '"'),
    "escaped quotes": ("json:{'", "\\'"),
    "export names": ("nbd:h:1", ":exportname="),
    "fat options": ("fat:", "rw:"),
    "key values": ("rbd:", ":key=x"),
}


@pytest.mark.parametrize("name", HEAVY)
@pytest.mark.parametrize("dialect", BOTH)
def test_the_longest_strings_are_read_or_refused_quickly(name: str, dialect: Dialect) -> None:
    start, piece = HEAVY[name]
    text = (start + piece * MAX_LENGTH)[:MAX_LENGTH]
    started = time.process_time()
    with suppress(ReferenceSyntaxError):
        parse_reference(text, dialect)
    redacted(text)
    # Linear work takes 10 ms for this length; quadratic work would take minutes.
    assert time.process_time() - started < 1.0


def test_a_long_key_above_many_values_does_not_multiply() -> None:
    half = MAX_LENGTH // 2 - 100
    text = f'json:{{"driver":"file","filename":"/a","{"k" * half}":[{"1," * (half // 2)}1]}}'
    with pytest.raises(ReferenceSyntaxError, match="unknown keys"):
        parse_reference(text)


def test_a_file_name_is_read_without_loading_json_or_urllib() -> None:
    script = (
        "import sys; import diskchain.storage.reference as r, diskchain.storage.reference.value as v; before = set(sys.modules);"
        "r.parse_reference('/a'); v.is_relative('a');"
        "print(sorted(set(sys.modules) - before), [m for m in ('json', 'urllib') if m in sys.modules])"
    )
    # -S -E: site-packages' own start-up hooks may load what they like.
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {script}"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.strip() == "[] []"
