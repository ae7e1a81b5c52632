"""``diskchain cancel``: give up a job that is copying or comparing."""

import argparse

from diskchain.actions.jobs import cancel
from diskchain.cli.options.jobs import add_running_arguments, print_events, stop_by_signals
from diskchain.cli.options.state import state_of

EXAMPLE = """\
example:
  diskchain cancel 3

The process that works on the job, if there is one, is told to pause; then what the job made is deleted. A job that has
written a pointer is not cancelled: diskchain resume finishes it, diskchain rollback takes it back.

exit codes: 0 given up, or done already; 1 stopped, with findings; 2 usage; 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``cancel``."""
    parser.add_argument("job", metavar="JOB", type=int, help="number of a job")
    add_running_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Give it up."""
    return print_events(args, cancel(args.job, state_of(args)), stop_by_signals()).code
