"""``diskchain snapshot``: a new overlay over a disk's active layer."""

import argparse

from diskchain.actions.job_plans import snapshot
from diskchain.cli.options.jobs import add_job_arguments, print_planned
from diskchain.cli.options.target import settings_of, target_name, wanted_disks

EXAMPLE = """\
examples:
  diskchain snapshot /images/disk.qcow2
  diskchain snapshot vm.xml /images/disk.monday.qcow2 -d vda
  diskchain snapshot -c qemu:///system vm --plan

For a disk that no guest uses. The overlay is made, with the rights of the layer below it, and the document names it then.

exit codes: 0 done; 1 stopped, with findings; 2 usage, or refused: nothing was changed; 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``snapshot``."""
    add_job_arguments(parser, copies=False)
    parser.add_argument(
        "overlay",
        metavar="OVERLAY",
        nargs="?",
        help="the file to make (default: beside the active layer, with a number)",
    )


def run(args: argparse.Namespace) -> int:
    """Plan, and print that or carry it out."""
    planned = snapshot(target_name(args), wanted_disks(args), overlay=args.overlay, settings=settings_of(args))
    return print_planned(args, planned)
