"""``diskchain copy``: a disk, or its active layer alone, in a new file, compared with what it was made from."""

import argparse

from diskchain.actions.job_plans import copy
from diskchain.cli.options.jobs import add_job_arguments, print_planned, wishes_of
from diskchain.cli.options.target import settings_of, target_name, wanted_disks
from diskchain.storage.terms import Format

EXAMPLE = """\
examples:
  diskchain copy /images/top.qcow2 /backup/disk.qcow2
  diskchain copy vm.xml /fast/top.qcow2 -d vda --shallow --pivot

For a disk that no guest uses. The chain is only read. A copy that is not finished is deleted by diskchain rollback.

exit codes: 0 done; 1 stopped, with findings; 2 usage, or refused: nothing was changed; 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``copy``."""
    add_job_arguments(parser)
    parser.add_argument("destination", metavar="DEST", help="the file to make")
    parser.add_argument("--shallow", action="store_true", help="only the active layer, over the layers it has now")
    parser.add_argument("--pivot", action="store_true", help="have the document name the copy")
    parser.add_argument(
        "--output-format", choices=["qcow2", "raw"], help="the format of the copy (default: that of the active layer)"
    )


def run(args: argparse.Namespace) -> int:
    """Plan, and print that or carry it out."""
    planned = copy(
        target_name(args),
        args.destination,
        wanted_disks(args),
        shallow=args.shallow,
        pivot=args.pivot,
        output_format=None if args.output_format is None else Format(args.output_format),
        wishes=wishes_of(args),
        settings=settings_of(args),
    )
    return print_planned(args, planned)
