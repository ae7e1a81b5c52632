"""Mistakes on the command line: the usage of that verb, the nearest word, exit code 2."""

from pathlib import Path

import pytest
from tests.cli.commands import diskchain

from diskchain.cli.verbs import VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_option_shows_the_usage_of_that_verb(verb: str) -> None:
    shown = diskchain(verb, "--no-such-option", "x")
    assert shown.code == 2
    assert shown.err.startswith(f"usage: diskchain {verb} ")
    assert shown.out == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["shwo", "x"], "diskchain: unknown verb shwo (did you mean show?)"),
        (["set-secrets"], "unknown verb set-secrets (did you mean set-secret?)"),
        (["show", "--jsno", "x"], "diskchain show: unknown option --jsno (did you mean --json?)"),
        (["show", "--polcy=strict", "x"], "unknown option --polcy (did you mean --policy?)"),
        (["complete", "--inplace", "x"], "unknown option --inplace (did you mean --in-place?)"),
        (["check", "--policy", "strct", "x"], "'strct' is not one of libvirt, strict, upload (did you mean strict?)"),
        (["show", "-f", "qcwo2", "x"], "(did you mean qcow2?)"),
        (["access", "--for", "comit", "x"], "(did you mean commit?)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_the_nearest_word_is_named(words: list[str], says: str) -> None:
    shown = diskchain(*words)
    assert shown.code == 2
    assert says in shown.err


def test_no_word_is_named_where_none_is_near() -> None:
    for words in (["frobnicate"], ["show", "--xyzzy", "x"], ["show", "--policy", "xyzzy", "x"]):
        assert "did you mean" not in diskchain(*words).err


def test_an_unknown_verb_lists_the_verbs() -> None:
    shown = diskchain("frobnicate")
    assert all(verb in shown.err for verb in VERBS)


def test_an_argument_too_many_is_named_with_its_bytes() -> None:
    shown = diskchain("show", "one", "t\nwo\udcff")
    assert (shown.code, shown.err.splitlines()[-1]) == (2, r"diskchain show: one argument too many: t\nwo\xff")


def test_options_may_stand_between_targets(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(bytes(512))
    shown = diskchain("check", "-f", "raw", tmp_path / "a", "-v", tmp_path / "b", "--severity", "error", tmp_path / "c")
    assert shown.code == 0
    assert shown.out.splitlines()[-1].endswith(" in 3 files")
    assert diskchain("check", tmp_path / "a", "--xyzzy", tmp_path / "b").code == 2
    assert "one argument too many" in diskchain("show", tmp_path / "a", "-v", tmp_path / "b").err
