"""``diskchain jobs``: the jobs of the journal, and how far each has come."""

import argparse

from diskchain.actions.jobs import listed
from diskchain.cli.options.state import add_state_argument, state_of
from diskchain.report.exit_codes import CLEAN, COULD_NOT_TELL
from diskchain.report.jobs import jobs_lines

EXAMPLE = """\
examples:
  diskchain jobs
  diskchain jobs --all --json

exit codes: 0 listed; 2 usage; 3 the journal or a record in it cannot be read"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``jobs``."""
    parser.add_argument("--all", action="store_true", help="also those that are done or taken back")
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/jobs/1)")
    add_state_argument(parser)


def run(args: argparse.Namespace) -> int:
    """List."""
    state = state_of(args)
    found = listed(state, finished=args.all)
    if args.json:
        from diskchain.schema import jobs_document, to_json

        print(to_json(jobs_document(str(state), found)))
    else:
        for line in jobs_lines(found):
            print(line)
    return COULD_NOT_TELL if found.damage else CLEAN
