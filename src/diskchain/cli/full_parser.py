"""The command line as argparse reads it, for help, for mistakes, and for all that is not plain (see ``quick_parser``).

A mistake is answered with the usage of the verb it was made in and, where there is one, the nearest word that would have been right.
"""

import argparse
from collections.abc import Iterable
from typing import Any, Final

from diskchain import __version__
from diskchain.cli.verbs import VERBS, add_common_arguments, command
from diskchain.errors import UsageError, printable

#: Choices that are listed when none of them was taken.
_LISTED: Final = 30


class WordsError(UsageError):
    """The words of a command line make no sense. ``usage``: what would."""

    def __init__(self, problem: str, *, usage: str) -> None:
        super().__init__(problem)
        self.usage = usage


class WordsParser(argparse.ArgumentParser):
    """A parser that takes all words or none, and raises WordsError where argparse ends the process."""

    def error(self, message: str) -> Any:
        """Raise what is wrong with the words."""
        raise WordsError(printable(message), usage=self.format_usage())

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse has it, except that options may stand between targets, and that no word may be left over."""
        found, surplus = super().parse_known_args(args, namespace)
        several = next((each.dest for each in self._actions if not each.option_strings and each.nargs == "*"), None)
        if several is not None and all(word == "-" or word[:1] != "-" for word in surplus):
            # argparse takes the words in front of the first option, and none of those behind.
            setattr(found, several, [*getattr(found, several), *surplus])
            return found, []
        if surplus:
            word = surplus[0]
            option = word.partition("=")[0]
            if option[:1] == "-":
                self.error(f"unknown option {printable(option)}{_nearest(option, self._option_string_actions)}")
            self.error(f"one argument too many: {printable(word)}")
        return found, surplus

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = [str(each) for each in action.choices]
        shown = printable(str(value))
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # argparse has no other name for it
            self.error(f"unknown verb {shown}{_nearest(shown, choices)}: the verbs are {', '.join(choices)}")
        if len(choices) > _LISTED:
            raise argparse.ArgumentError(action, f"unknown {action.metavar} {shown!r}{_nearest(shown, choices)}")
        raise argparse.ArgumentError(action, f"{shown!r} is not one of {', '.join(choices)}{_nearest(shown, choices)}")


def _nearest(word: str, words: Iterable[str]) -> str:
    """`` (did you mean …?)``, or nothing where no word is near."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(words), n=1, cutoff=0.7)
    return f" (did you mean {found[0]}?)" if found else ""


def build_parser(verbs: tuple[str, ...]) -> argparse.ArgumentParser:
    """The parser of ``verbs``. Without any: of all verbs, listed in the help but without their options."""
    parser = WordsParser(
        prog="diskchain",
        description="Virtual-disk backing chains: read them, check them, complete them, change them safely.",
        epilog="exit codes: 0 clean, 1 findings, 2 usage, 3 could not tell\nexample: diskchain show vm.xml -d vda",
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=18),
    )
    parser.add_argument("--version", action="version", version=f"diskchain {__version__}")
    subparsers = parser.add_subparsers(
        title="verbs",
        dest="verb",
        metavar="VERB",
        required=True,
        prog="diskchain",  # else argparse formats a usage line to find it, for which it imports shutil
        parser_class=WordsParser if verbs else argparse.ArgumentParser,
    )
    if not verbs:
        for verb, summary in VERBS.items():
            subparsers.add_parser(verb, help=summary, add_help=False)
    for verb in verbs:
        module = command(verb)
        subparser = subparsers.add_parser(
            verb,
            help=VERBS[verb],
            description=VERBS[verb][:1].upper() + VERBS[verb][1:] + ".",
            epilog=module.EXAMPLE,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(subparser)
        add_common_arguments(subparser)
    return parser
