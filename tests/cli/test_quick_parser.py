"""Plain words mean to the plain parser what they mean to argparse; of all others it says that they are not plain."""

import argparse
import contextlib
import io
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diskchain.cli.full_parser import WordsError, build_parser
from diskchain.cli.main import parse
from diskchain.cli.quick_parser import NotPlain, PlainParser
from diskchain.cli.verbs import VERBS, add_common_arguments, command

VALUES = (
    "vm.xml",
    "/a b",
    "vda",
    "qcow2",
    "strict",
    "5",
    "0.5",
    "nan",
    "-1",
    "",
    "-",
    "--",
    "-x",
    "--nonsense",
    "libvirt",
)


def plain(verb: str, words: list[str]) -> dict[str, object] | None:
    """What the plain parser makes of the words of a verb; None: they are not plain."""
    parser = PlainParser()
    try:
        command(verb).add_arguments(cast("argparse.ArgumentParser", parser))
        add_common_arguments(cast("argparse.ArgumentParser", parser))
        return vars(parser.parse_args(words))
    except NotPlain:
        return None


def theirs(verb: str, words: list[str]) -> dict[str, object] | None:
    """What argparse makes of them; None: it refuses them or ends the process."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        try:
            found = vars(build_parser((verb,)).parse_args([verb, *words]))
        except (SystemExit, WordsError):
            return None
    assert found.pop("verb") == verb
    return found


def spellings(verb: str) -> list[str]:
    """Every option of a verb, and what is nearly one."""
    parser = argparse.ArgumentParser()
    command(verb).add_arguments(parser)
    add_common_arguments(parser)
    options = [word for action in parser._actions for word in action.option_strings]
    return [
        *options,
        *(word[:-1] for word in options),
        *(f"{word}=5" for word in options),
        *(f"{word}5" for word in options),
    ]


@given(st.data())
def test_plain_words_mean_what_argparse_says(data: st.DataObject) -> None:
    verb = data.draw(st.sampled_from(list(VERBS)))
    words = data.draw(st.lists(st.sampled_from([*spellings(verb), *VALUES * 3]), max_size=6))
    found = plain(verb, words)
    if found is not None:
        assert found == theirs(verb, words)


@pytest.mark.parametrize(
    "words",
    [
        ["vm.qcow2"],
        ["-"],
        ["vm.xml", "-d", "vda"],
        ["--json", "-f", "qcow2", "a b", "--timeout", "0.5"],
        ["vm", "-c", "qemu:///system", "--policy", "strict", "--remote"],
        ["-c", "qemu:///system"],
        [],
    ],
)
def test_the_usual_words_of_show_are_plain(words: list[str]) -> None:
    found = plain("show", words)
    assert found is not None
    assert found == theirs("show", words)


@pytest.mark.parametrize("words", [["--help"], ["a", "b"], ["a", "-f", "x"], ["a", "--timeout", "soon"], ["a", "--js"]])
def test_help_mistakes_and_abbreviations_are_not_plain(words: list[str]) -> None:
    assert plain("show", words) is None


@pytest.mark.parametrize("words", [["a", "b"], ["--json", "a", "b"], ["a", "b", "--sarif", "--depth", "5"], [], ["-v"]])
def test_many_targets_and_options_of_which_one_may_be_given_are_plain(words: list[str]) -> None:
    found = plain("check", words)
    assert found is not None
    assert found == theirs("check", words)


@pytest.mark.parametrize("words", [["a", "--json", "b"], ["a", "--json", "--sarif"]])
def test_what_excludes_each_other_and_targets_apart_are_not_plain(words: list[str]) -> None:
    assert plain("check", words) is None


def test_the_verb_is_known_either_way() -> None:
    assert parse(["show", "image"]).verb == "show"
    assert parse(["show", "--js", "image"]).verb == "show"


def test_plain_words_do_without_argparse() -> None:
    import subprocess
    import sys

    code = "import sys; from diskchain.cli.main import parse; parse(['show', 'x']); print([*sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = (
        "argparse",
        "shutil",
        "tempfile",
        "subprocess",
        "json",
        "lxml",
        "msgspec",
        "logging",
        "dataclasses",
        "inspect",
    )
    assert not [name for name in (*heavy, "importlib", "locale", "threading", "pathlib") if f"'{name}'" in loaded]
