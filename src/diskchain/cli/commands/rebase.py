"""``diskchain rebase``: a disk's active layer over another backing file, reading the same."""

import argparse

from diskchain.actions.job_plans import rebase
from diskchain.cli.options.jobs import add_job_arguments, print_planned, wishes_of
from diskchain.cli.options.target import settings_of, target_name, wanted_disks

EXAMPLE = """\
examples:
  diskchain rebase /images/top.qcow2 --onto /images/new-base.qcow2
  diskchain rebase /images/top.qcow2 --onto /other/base.qcow2 --metadata-only

For a disk that no guest uses. What the disk reads as and the new backing file does not is copied into the active layer
before its pointer is written. With --metadata-only nothing is copied: the new chain must read the same as it is.

exit codes: 0 done, or nothing to do; 1 stopped, with findings; 2 usage, or refused: nothing was changed;
3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``rebase``."""
    add_job_arguments(parser)
    parser.add_argument("--onto", metavar="BASE", required=True, help="the image to be over afterwards")
    parser.add_argument("--metadata-only", action="store_true", help="copy nothing, write the pointer alone")


def run(args: argparse.Namespace) -> int:
    """Plan, and print that or carry it out."""
    planned = rebase(
        target_name(args),
        args.onto,
        wanted_disks(args),
        metadata_only=args.metadata_only,
        wishes=wishes_of(args),
        settings=settings_of(args),
    )
    return print_planned(args, planned)
