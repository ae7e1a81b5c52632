"""``diskchain pull``: the active layer takes in what is below it, down to a base or all of it."""

import argparse

from diskchain.actions.job_plans import pull
from diskchain.cli.options.jobs import add_job_arguments, print_planned, wishes_of
from diskchain.cli.options.target import settings_of, target_name, wanted_disks

EXAMPLE = """\
examples:
  diskchain pull /images/top.qcow2 --base /images/base.qcow2 --plan
  diskchain pull vm.xml -d vda

For a disk that no guest uses. What the layers between hold is copied into the active one, flushed, and compared: only if
the disk reads the same without them is the pointer written that leaves them out. They stay as they are: other overlays
may rely on them.

exit codes: 0 done, or nothing to do; 1 stopped, with findings; 2 usage, or refused: nothing was changed;
3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``pull``."""
    add_job_arguments(parser)
    parser.add_argument("--base", metavar="LAYER", help="the layer to be over afterwards (default: none)")


def run(args: argparse.Namespace) -> int:
    """Plan, and print that or carry it out."""
    planned = pull(
        target_name(args), wanted_disks(args), base=args.base, wishes=wishes_of(args), settings=settings_of(args)
    )
    return print_planned(args, planned)
