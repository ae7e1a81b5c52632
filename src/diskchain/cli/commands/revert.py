"""``diskchain revert``: gives back what ``diskchain grant --apply`` granted, exactly as it was."""

import argparse
import sys

from diskchain.actions.revert import Listed, Reverted, give_back, list_grants
from diskchain.cli.options.remote import add_timeout_argument
from diskchain.cli.options.state import add_state_argument, state_of
from diskchain.report.grant import list_code, listed_lines, revert_code, reverted_lines

EXAMPLE = """\
examples:
  diskchain revert --list
  diskchain revert
  diskchain revert 3

Without a GRANT: every grant whose process no longer lives, and of these the files that are not open. With GRANT, that grant
is taken to be over. A directory stays open to a user while something below it is in use. Owner, mode, ACL and security
attributes are put back; the change time (ctime) cannot be, and setuid, setgid and file capabilities are not where the
content may have changed. The access and modification times are what reads and writes made them, unless --times: a
merged base was written to, and backup programs go by that.

exit codes: 0 given back, 1 something was kept or refused, 2 usage, 3 the journal or a record in it cannot be used, or a
file did not answer: the journal keeps it"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``revert``."""
    parser.add_argument(
        "grant", metavar="GRANT", nargs="*", type=int, help="number of a grant (default: all that are over)"
    )
    parser.add_argument("--list", action="store_true", help="only show the grants and what they hold")
    parser.add_argument("--times", action="store_true", help="put access and modification times back, too")
    parser.add_argument("--force", action="store_true", help="also what is in use, and what others changed meanwhile")
    parser.add_argument(
        "--forget",
        action="store_true",
        help="drop from the journal what cannot be given back; its files stay as they are",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/revert/1)")
    add_timeout_argument(parser)
    add_state_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Give back, or list, and print."""
    if args.list:
        listed = list_grants(state_of(args), args.grant, seconds=args.timeout)
        _print_list(args, listed)
        return list_code(listed)
    reverted = give_back(
        state_of(args), args.grant, force=args.force, times=args.times, forget=args.forget, seconds=args.timeout
    )
    if args.json:
        _print_json(args, reverted, None)
    else:
        for line in reverted_lines(reverted):
            print(line)
    return revert_code(reverted)


def _print_list(args: argparse.Namespace, listed: Listed) -> None:
    if args.json:
        _print_json(args, Reverted((), listed.contents), listed.unwritable)
    else:
        for line in listed_lines(listed.contents):
            print(line)
    if listed.unwritable is not None:
        print(
            f"diskchain: nothing can be given back: the journal cannot be changed: {listed.unwritable}", file=sys.stderr
        )


def _print_json(args: argparse.Namespace, reverted: Reverted, problem: str | None) -> None:
    from diskchain.schema import revert_document, to_json

    print(to_json(revert_document(str(state_of(args)), reverted.outcomes, reverted.left, problem)))
