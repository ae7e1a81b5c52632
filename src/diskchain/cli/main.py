"""``diskchain``: finds the verb, imports its module and no other, and turns errors into one line and an exit code.

Built on argparse: importing typer costs 58 ms and click 38 ms, where all of ``diskchain show IMAGE`` may take 30 ms. Words that
are plain do not need even that, see ``quick_parser``. With ``--json`` an error is a document on standard output, too.
"""

import sys
from typing import TYPE_CHECKING, cast

from diskchain.cli.quick_parser import NotPlain, PlainParser
from diskchain.cli.verbs import VERBS, add_common_arguments, command
from diskchain.errors import DiskchainError, printable
from diskchain.report.exit_codes import COULD_NOT_TELL, OF_FAULT, OUTCOMES

if TYPE_CHECKING:
    import argparse


def parse(words: list[str]) -> "argparse.Namespace":
    """What ``words`` ask for. Ends the process where argparse does: for help. Raises WordsError, which is a UsageError."""
    verb = words[0] if words else ""
    if verb in VERBS:
        plain = PlainParser()
        try:
            command(verb).add_arguments(cast("argparse.ArgumentParser", plain))
            add_common_arguments(cast("argparse.ArgumentParser", plain))
            args = plain.parse_args(words[1:])
        except NotPlain:
            pass
        else:
            args.verb = verb
            return cast("argparse.Namespace", args)
    from diskchain.cli.full_parser import build_parser

    return build_parser((verb,) if verb in VERBS else ()).parse_args(words)


def main(argv: list[str]) -> int:
    """Run one command and return its exit code."""
    verb = argv[0] if argv else None
    words: list[str] = argv
    rest: list[str] = []
    if verb in VERBS and "--" in argv and getattr(command(verb), "TAKES_COMMAND", False):
        words, rest = argv[: argv.index("--")], argv[argv.index("--") + 1 :]
    try:
        args = parse(words)
        args.command = rest
        if args.color is not None:
            from diskchain.report.style import choose_colour

            choose_colour(args.color)
        return command(args.verb).run(args)
    except DiskchainError as error:
        name = f"diskchain {verb}" if verb in VERBS else "diskchain"
        usage = getattr(error, "usage", None)
        print(f"diskchain: {error}" if usage is None else f"{usage}{name}: {error}", file=sys.stderr)
        if _wants_json(words):
            _print_document(error, words)
        return OF_FAULT[error.fault]
    except Exception as error:
        if _wants_json(words):
            _print_unexpected(error, words)
        raise


def _wants_json(words: list[str]) -> bool:
    """Whether standard output is to be a JSON document, as far as that can be told of words that may make no sense."""
    if words[:1] == ["blockdev"] and " --as json " in f" {' '.join(words)} ".replace("=", " "):
        return True
    own = words[: words.index("--")] if "--" in words else words
    return any(word[:3] == "--j" and "--json".startswith(word) for word in own)


def _print_document(error: DiskchainError, words: list[str]) -> None:
    from diskchain.schema import error_document, to_json

    code = OF_FAULT[error.fault]
    print(to_json(error_document(error, exit_code=code, outcome=OUTCOMES[code], verb=_verb(words))), flush=True)


def _print_unexpected(error: Exception, words: list[str]) -> None:
    """A document for what is none of our errors, except that it cannot be written."""
    from diskchain.cli.unexpected import is_about_output, path_of, what_happened
    from diskchain.schema import to_json, unexpected_document

    if not is_about_output(error):
        path = path_of(error) if isinstance(error, OSError) else None
        bug = not isinstance(error, OSError)
        document = unexpected_document(
            printable(what_happened(error)),
            bug=bug,
            path=path,
            exit_code=COULD_NOT_TELL,
            outcome=OUTCOMES[COULD_NOT_TELL],
            verb=_verb(words),
        )
        print(to_json(document), flush=True)


def _verb(words: list[str]) -> str | None:
    return words[0] if words[0] in VERBS else None
