"""``diskchain``: finds the verb, imports its module and no other, and turns errors into one line and an exit code.

Built on argparse: importing typer costs 58 ms and click 38 ms, where all of ``diskchain show IMAGE`` may take 30 ms. Words that
are plain do not need even that, see ``plain``.
Exit codes: 0 clean, 1 findings, 2 usage, 3 could not tell, 130 interrupted.
"""

import sys
from typing import TYPE_CHECKING, Final, NoReturn, Protocol, cast

from diskchain import __version__
from diskchain.cli.quick_parser import NotPlain, PlainParser
from diskchain.errors import DiskchainError, printable

if TYPE_CHECKING:
    import argparse

#: Every verb and what it does, in the order a newcomer meets them. Module names are the verbs with ``_`` for ``-``.
VERBS: Final[dict[str, str]] = {
    "show": "the chain of an image, a document or a domain, as a tree",
    "info": "everything one image header says; nothing it names is opened",
    "check": "all that is wrong with images, documents and domains",
    "diff": "what document, headers and running domain say, side by side",
    "complete": "fill in every <backingStore> of a document, or take it out",
    "open": "open a chain with its keys and show it to a command",
    "secrets": "which layer needs which key, and whether it opens the layer",
    "set-secret": "write into a document which secret opens a layer",
    "blockdev": "the block nodes QEMU gets for a disk",
    "access": "who may touch which layer: needed against present",
    "grant": "plan or apply the least rights an operation needs",
    "revert": "give back every right that was granted",
    "completion": "print the completion script for a shell",
}

_EXIT: Final = {"caller": 2, "image": 1, "host": 3, "peer": 3}


class Command(Protocol):
    """What a module in ``commands`` offers.

    ``TAKES_COMMAND = True``, where it is there: what follows ``--`` is a command to run, as ``args.command``.
    """

    EXAMPLE: str

    def add_arguments(self, parser: "argparse.ArgumentParser") -> None:
        """Declare options and arguments."""

    def run(self, args: "argparse.Namespace") -> int:
        """Do it, and say how it went. Raises DiskchainError."""


def command(verb: str) -> Command:
    """The module of ``verb``."""
    # Not import_module(), whose own module takes half a millisecond to import.
    return cast("Command", __import__("diskchain.cli.commands." + verb.replace("-", "_"), fromlist=("run",)))


def build_parser(verbs: tuple[str, ...]) -> "argparse.ArgumentParser":
    """The parser of ``verbs``. Without any: of all verbs, listed in the help but without their options."""
    import argparse

    class Parser(argparse.ArgumentParser):
        """Says what was wrong in one line, whatever characters the words have."""

        def error(self, message: str) -> NoReturn:
            super().error(printable(message))

    parser = Parser(
        prog="diskchain",
        description="Virtual-disk backing chains: read them, check them, complete them, change them safely.",
        epilog="exit codes: 0 clean, 1 findings, 2 usage, 3 could not tell\nexample: diskchain show vm.xml -d vda",
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=18),
    )
    parser.add_argument("--version", action="version", version=f"diskchain {__version__}")
    # prog: else argparse formats a usage line to find it, for which it imports shutil.
    subparsers = parser.add_subparsers(title="verbs", dest="verb", metavar="VERB", required=True, prog="diskchain")
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
    return parser


def parse(words: list[str]) -> "argparse.Namespace":
    """What ``words`` ask for. Ends the process where argparse does: for help, and with usage mistakes."""
    verb = words[0] if words else ""
    if verb in VERBS:
        plain = PlainParser()
        try:
            command(verb).add_arguments(cast("argparse.ArgumentParser", plain))
            args = plain.parse_args(words[1:])
        except NotPlain:
            pass
        else:
            args.verb = verb
            return cast("argparse.Namespace", args)
    return build_parser((verb,) if verb in VERBS else ()).parse_args(words)


def main(argv: list[str]) -> int:
    """Run one command and return its exit code."""
    verb = argv[0] if argv else None
    words: list[str] = argv
    rest: list[str] = []
    if verb in VERBS and "--" in argv and getattr(command(verb), "TAKES_COMMAND", False):
        words, rest = argv[: argv.index("--")], argv[argv.index("--") + 1 :]
    args = parse(words)
    args.command = rest
    try:
        return command(args.verb).run(args)
    except DiskchainError as error:
        print(f"diskchain: {error}", file=sys.stderr)
        return _EXIT[error.fault]
