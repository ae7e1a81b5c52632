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
        #: How many the last of them may be: one, at most one (?) or any number (*).
        self._last: str | None = None
        #: Names of attributes of which one at most may be given.
        self._exclusive: list[set[str]] = []
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
        if action not in ("store", "store_true", "append") or nargs not in (None, "?", "*") or others:
            raise NotPlain
        if names[0][:1] != "-":
            if type is not None or choices is not None or default is not None or self._last is not None:
                raise NotPlain
            self._positionals.append(names[0])
            self._last = nargs
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

    def add_mutually_exclusive_group(self, *, required: bool = False) -> "_ExclusiveGroup":
        """Options of which one at most is plain; a group of which one must be given is not."""
        if required:
            raise NotPlain
        self._exclusive.append(set())
        return _ExclusiveGroup(self, self._exclusive[-1])

    def parse_args(self, words: list[str]) -> SimpleNamespace:
        """The values by name. Raises NotPlain unless it is certain what argparse would make of ``words``."""
        given: list[str] = []
        gaps, used = 0, set[str]()
        values = self._defaults.copy()
        rest = iter(words)
        follows = False  # another target
        for word in rest:
            if word[:1] != "-" or word == "-":
                gaps += not follows
                follows = True
                given.append(word)
                continue
            follows = False
            if word not in self._options:
                raise NotPlain
            name, takes_value, make, choices = self._options[word]
            value = _value(next(rest, "-"), make, choices) if takes_value else True
            values[name] = [*(values[name] or ()), value] if name in self._repeated else value
            used.add(name)
        if any(len(group & used) > 1 for group in self._exclusive):
            raise NotPlain
        return SimpleNamespace(**values, **self._targets(given, gaps))

    def _targets(self, given: list[str], gaps: int) -> dict[str, Any]:
        """The positionals by name. Raises NotPlain unless there are as many as there may be, together where there may be many."""
        *names, last = self._positionals or [""]
        if self._last == "*":
            if gaps > 1 or names:  # argparse takes those before the first option alone
                raise NotPlain
            return {last: given}
        if self._last == "?" and len(given) == len(names):
            return {**dict(zip(names, given, strict=True)), last: None}
        if len(given) != len(self._positionals):
            raise NotPlain
        return dict(zip(self._positionals, given, strict=True))


class _ExclusiveGroup:
    """Options of a parser of which one at most may be given."""

    def __init__(self, parser: PlainParser, names: set[str]) -> None:
        self._parser = parser
        self._names = names

    def add_argument(self, *names: str, **how: Any) -> None:
        """Declare one, in argparse's words."""
        self._parser.add_argument(*names, **how)
        self._names.add(_attribute(names))


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
