"""``diskchain rollback``: the chain as it was before a job."""

import argparse

from diskchain.actions.jobs import rollback
from diskchain.cli.options.jobs import add_running_arguments, print_events, stop_by_signals
from diskchain.cli.options.secrets import add_secret_arguments, key_places
from diskchain.cli.options.state import state_of

EXAMPLE = """\
example:
  diskchain rollback 3

The old pointer and the old document are put back, and what the job made is deleted. Refused where a byte could be lost:
when a layer was deleted, or a guest has written to the new chain in a way that the old one does not see.

exit codes: 0 taken back, or it was already; 1 refused, with findings; 2 usage; 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``rollback``."""
    parser.add_argument("job", metavar="JOB", type=int, help="number of a job")
    parser.set_defaults(connect=None)
    add_secret_arguments(parser)
    add_running_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Take it back."""
    return print_events(args, rollback(args.job, state_of(args), key_places(args)), stop_by_signals()).code
