"""``diskchain resume``: carry on with jobs that were paused, stopped or killed."""

import argparse

from diskchain.actions.jobs import open_jobs, resume
from diskchain.cli.options.jobs import add_running_arguments, print_events, stop_by_signals
from diskchain.cli.options.state import state_of
from diskchain.report.exit_codes import CLEAN

EXAMPLE = """\
examples:
  diskchain resume
  diskchain resume 3

Without a JOB: all that no process works on. What is done is decided by what is on the disk: headers, files, processes and
the journal. Files that are not as the job left them make it undecidable; then nothing is changed and nothing deleted.

exit codes: 0 done, or nothing to do; 1 stopped, with findings; 2 usage; 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``resume``."""
    parser.add_argument(
        "job", metavar="JOB", nargs="*", type=int, help="number of a job (default: all unfinished ones)"
    )
    add_running_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Carry on, one job after the other."""
    state, stop = state_of(args), stop_by_signals()
    code = CLEAN
    for number in args.job or open_jobs(state):
        code = max(code, print_events(args, resume(number, state, stop), stop).code)
        if stop():
            break
    return code
