"""``--ignore``, ``--severity`` and ``-v``: which findings are shown and count."""

from typing import TYPE_CHECKING

from diskchain.findings import KINDS, Severity
from diskchain.report.selection import WORDS, Selection

if TYPE_CHECKING:
    import argparse


def add_findings_arguments(parser: "argparse.ArgumentParser", *, verbose: str = "show notes, too") -> None:
    """The options. ``verbose``: what ``-v`` does."""
    parser.add_argument("-v", "--verbose", action="store_true", help=verbose)
    parser.add_argument(
        "--ignore",
        metavar="ID",
        action="append",
        default=[],
        choices=KINDS,
        help="leave findings of this id out of screen and exit code (`diskchain explain` lists the ids); repeatable",
    )
    parser.add_argument(
        "--severity",
        metavar="LEVEL",
        choices=list(WORDS),
        help="error: leave out warnings as well, and they do not count; warning (default): leave out notes; note: show all",
    )


def selection_of(args: "argparse.Namespace", *, whole: bool = False) -> Selection:
    """What the arguments select. ``whole``: of a document for programs, which has notes unless told otherwise."""
    least = Severity.WARNING if args.severity is None else WORDS[args.severity]
    if args.severity != "error" and (args.verbose or (whole and args.severity is None)):
        least = Severity.INFO
    return Selection(frozenset(args.ignore), least)
