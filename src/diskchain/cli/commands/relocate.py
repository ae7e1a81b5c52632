"""``diskchain relocate``: files were moved; headers and documents get their new names."""

import argparse

from diskchain.actions.job_plans import relocate
from diskchain.actions.target import TargetName
from diskchain.cli.options.jobs import add_running_arguments, print_planned
from diskchain.errors import UsageError
from diskchain.jobs.planning.relocate import Moves

EXAMPLE = """\
examples:
  diskchain relocate /new/top.qcow2 --map /old=/new --plan
  diskchain relocate vm.xml --map /var/lib/images=/srv/images --map /a.raw=/b.raw
  diskchain relocate /mnt/srv/top.qcow2 --map /old=/srv --root /mnt

Only names that lead nowhere now are changed, in qcow2 headers and in documents; relative names that still lead to their
file stay. What is at a new place must be an image of the format that is recorded.

exit codes: 0 done, or nothing to do; 1 stopped, with findings; 2 usage, or refused: nothing was changed;
3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``relocate``."""
    parser.add_argument("targets", metavar="TARGET", nargs="+", help="an image, or a file with <domain> or <disk>")
    parser.add_argument(
        "--map",
        dest="moves",
        metavar="OLD=NEW",
        action="append",
        required=True,
        help="a file or directory that moved; repeatable",
    )
    parser.add_argument(
        "--root", metavar="DIR", default="", help="names begin at DIR, as those of another system mounted there"
    )
    parser.add_argument("--plan", action="store_true", help="only say what would be done; nothing is changed")
    add_running_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """One job after the other, each planned when those before it are done."""
    moves = Moves(dict(map(_move, args.moves)), args.root)
    code = 0
    for target in args.targets:
        args.target = target
        code = max(code, print_planned(args, relocate(TargetName(target, timeout=args.timeout), moves)))
    return code


def _move(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not equals or not old.startswith("/") or not new.startswith("/"):
        raise UsageError(f"--map takes OLD=NEW, two absolute paths, not {text}")
    return old, new
