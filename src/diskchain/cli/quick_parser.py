"""A plain command line, read without argparse.

Importing argparse, setting it up and the locale it asks for take 5 ms, where all of ``diskchain show IMAGE`` may take 30.

Commands declare the same arguments to a :class:`PlainParser` as to argparse's. What is plain means the same to both; a test sees to
that. All else (help, mistakes, abbreviations, groups …) is :class:`NotPlain`, and argparse gets to read the same words.
"""

from collections.abc import Callable, Container
from types import SimpleNamespace
from typing import Any, NoReturn


class NotPlain(Exception):
    """Argparse has to read these words. Never leaves the command line."""


class PlainParser:
    """The part of ``argparse.ArgumentParser`` that plain words need."""

    def __init__(self) -> None:
        #: By spelling: name of the attribute, whether a value follows, what makes the value, what it may be.
        self._options: dict[str, tuple[str, bool, Callable[[str], Any] | None, Container[Any] | None]] = {}
        self._positionals: list[str] = []
        #: Whether the last of them may be left out.
        self._optional = False
        self._repeated: set[str] = set()
        self._defaults: dict[str, Any] = {}

    def add_argument(
        self,
        *names: str,
        action: str = "store",
        nargs: str | None = None,
        default: Any = None,
        type: Callable[[str], Any] | None = None,
        choices: Container[Any] | None = None,
        metavar: str | None = None,  # noqa: ARG002  # for argparse alone
        help: str | None = None,  # noqa: A002, ARG002  # the same
        **others: Any,
    ) -> None:
        """Declare an argument, in argparse's words."""
        if action not in ("store", "store_true", "append") or nargs not in (None, "?") or others:
            raise NotPlain
        if names[0][:1] != "-":
            if type is not None or choices is not None or default is not None or self._optional:
                raise NotPlain
            self._positionals.append(names[0])
            self._optional = nargs is not None
            return
        if nargs is not None:
            raise NotPlain
        name = _attribute(names)
        takes_value = action != "store_true"
        if action == "append":
            self._repeated.add(name)
        self._defaults[name] = default if takes_value else False
        for spelling in names:
            self._options[spelling] = name, takes_value, type, choices

    def add_argument_group(self, *_: str) -> NoReturn:
        """Groups are not plain."""
        raise NotPlain

    def add_mutually_exclusive_group(self, *, required: bool = False) -> NoReturn:  # noqa: ARG002  # for argparse alone
        """What excludes each other is not plain."""
        raise NotPlain

    def parse_args(self, words: list[str]) -> SimpleNamespace:
        """The values by name. Raises NotPlain unless it is certain what argparse would make of ``words``."""
        given: list[str] = []
        values = self._defaults.copy()
        rest = iter(words)
        for word in rest:
            if word[:1] != "-" or word == "-":
                given.append(word)
                continue
            if word not in self._options:
                raise NotPlain
            name, takes_value, make, choices = self._options[word]
            value = _value(next(rest, "-"), make, choices) if takes_value else True
            values[name] = [*(values[name] or ()), value] if name in self._repeated else value
        if self._optional and len(given) == len(self._positionals) - 1:
            values[self._positionals[-1]] = None
        elif len(given) != len(self._positionals):
            raise NotPlain
        return SimpleNamespace(**values, **dict(zip(self._positionals, given, strict=False)))


def _attribute(names: tuple[str, ...]) -> str:
    return next((name for name in names if name[:2] == "--"), names[0]).lstrip("-").replace("-", "_")


def _value(word: str, make: Callable[[str], Any] | None, choices: Container[Any] | None) -> Any:
    if word[:1] == "-":
        raise NotPlain
    try:
        value = word if make is None else make(word)
    except Exception as error:
        raise NotPlain from error  # argparse knows how to say it
    if choices is not None and value not in choices:
        raise NotPlain
    return value
