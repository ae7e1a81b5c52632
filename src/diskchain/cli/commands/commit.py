"""``diskchain commit``: merge layers of a chain into the one below, and lose no byte whatever instant is the last."""

import argparse

from diskchain.actions.job_plans import commit
from diskchain.cli.options.jobs import add_job_arguments, print_planned, wishes_of
from diskchain.cli.options.target import settings_of, target_name, wanted_disks

EXAMPLE = """\
examples:
  diskchain commit /images/top.qcow2 --top /images/mid.qcow2 --plan
  diskchain commit vm.xml -d vda --top 'vda[1]' --delete
  diskchain commit -c qemu:///system vm -d vda

For a disk that no guest uses. What the layers from --top down hold is copied into --base, flushed, and compared: only if
the disk reads the same through the new chain is the pointer written that leaves them out. Until then, and after a crash
at any instant, the disk reads as before. Files are deleted last, with --delete. The journal is in the state directory.

exit codes: 0 done, or nothing to do; 1 stopped, with findings; 2 usage, or refused: nothing was changed;
3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``commit``."""
    add_job_arguments(parser)
    parser.add_argument("--top", metavar="LAYER", help="the first layer that is merged (default: the active one)")
    parser.add_argument("--base", metavar="LAYER", help="the layer it is merged into (default: the last one)")
    parser.add_argument("--delete", action="store_true", help="delete the merged files once that is proven")


def run(args: argparse.Namespace) -> int:
    """Plan, and print that or carry it out."""
    planned = commit(
        target_name(args),
        wanted_disks(args),
        top=args.top,
        base=args.base,
        delete=args.delete,
        wishes=wishes_of(args),
        settings=settings_of(args),
    )
    return print_planned(args, planned)
