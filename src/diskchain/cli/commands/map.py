"""``diskchain map``: which layer answers for which bytes of a disk; sums for people, runs for programs."""

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from diskchain.actions.chains import examine_one
from diskchain.actions.map import Blame, DiskMap, blame, map_disks, parse_place
from diskchain.actions.map_cost import OPERATIONS
from diskchain.cli.options.findings import add_findings_arguments, selection_of
from diskchain.cli.options.remote import add_remote_arguments, reader_for
from diskchain.cli.options.target import (
    add_policy_argument,
    add_target_arguments,
    settings_of,
    target_name,
    wanted_disks,
)
from diskchain.errors import UsageError
from diskchain.report.findings import exit_code, shown_lines
from diskchain.report.selection import Selection
from diskchain.report.style import Style, style_of

if TYPE_CHECKING:
    from diskchain.actions.examined import Settings
    from diskchain.findings import Finding

EXAMPLE = """\
examples:
  diskchain map vm.xml -d vda
  diskchain map disk.qcow2 --format csv > runs.csv
  diskchain map disk.qcow2 --blame 1.5G
  diskchain map disk.qcow2 --blame 0x100000-0x200000
  diskchain map vm.xml -d vda --cost commit --top 'vda[1]' --base 'vda[3]'

"hidden" are data that a layer holds and no guest sees, since a layer above answers there. --format prints every run, with the keys of
qemu-img map --output=json and the layer's name. Needs numpy: pip install 'diskchain[map]'

exit codes: 0 clean, 1 findings, 2 usage, 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``map``."""
    add_target_arguments(parser, format_option="-f")
    add_remote_arguments(parser)
    add_policy_argument(parser)
    add_findings_arguments(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the sums, or the cost, as a JSON document (schemas diskchain/map/1, diskchain/cost/1)",
    )
    parser.add_argument("--top", metavar="LAYER", help="of --cost: the upper end of the range (default: the top)")
    parser.add_argument(
        "--base", metavar="LAYER", help="of --cost: its lower end (default: the last layer); of a rebase also an image"
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument(
        "--format",
        dest="runs",
        choices=("json", "jsonl", "csv", "parquet"),
        help="print every run: a JSON array, a JSON object a line, CSV, or Parquet, which needs pyarrow",
    )
    output.add_argument(
        "--blame",
        metavar="OFFSET|START-END",
        help="which layer holds this byte, or this stretch, of the disk: 1.5G, 0x60000000, 1G-2G, 1G+64K",
    )
    output.add_argument(
        "--cost",
        choices=OPERATIONS,
        help="what that would copy, by how much the file it writes to grows, and what it frees",
    )


def run(args: argparse.Namespace) -> int:
    """Look and print."""
    if args.json and (args.runs or args.blame):
        raise UsageError("--json goes with the sums and with --cost; --format json prints the runs")
    if args.cost is None and (args.top is not None or args.base is not None):
        raise UsageError("--top and --base say the range of --cost")
    stretch = None if args.blame is None else parse_place(args.blame)
    selection = selection_of(args, whole=args.json)
    with reader_for(args) as reader:
        settings = settings_of(args, reader)._replace(rights=False)
        target = examine_one(target_name(args), settings)
        disks = map_disks(target, wanted_disks(args), settings)
        style = style_of(sys.stdout, environ=dict(os.environ))
        of_chains = (found for each in disks for found in each.disk.findings())
        said: list[Finding] = [*filter(selection.shows, (*target.said, *of_chains))]
        if args.cost is not None:
            said += _print_cost(args, disks, said, settings, style)
        elif args.json:
            said += _print_document(args.target, disks, said, selection)
        elif args.runs is not None:
            said += _print_runs(args.runs, disks)
        elif stretch is not None:
            said += _print_blame(disks, stretch, args.timeout, style)
        else:
            said += _print_sums(disks, style)
    if not args.json:
        for line in shown_lines(said, style_of(sys.stderr, environ=dict(os.environ)), selection):
            print(line, file=sys.stderr)
    return exit_code(filter(selection.shows, said))


def _print_sums(disks: tuple[DiskMap, ...], style: Style) -> "Iterator[Finding]":
    from diskchain.report.map import map_lines

    for each in disks:
        for line in map_lines(each, each.map.totals(), style):
            print(line)
        yield from each.findings


def _print_document(
    target: str, disks: tuple[DiskMap, ...], said: "list[Finding]", selection: Selection
) -> "list[Finding]":
    from diskchain.schema import map_disk_document, map_document, to_json

    documents = []
    found: list[Finding] = []
    for each in disks:
        header = each.map.chain.top.header
        capacity = None if header is None else header.capacity
        documents.append(map_disk_document(each.disk.title, capacity, each.layers, each.map.totals()))
        found += filter(selection.shows, each.findings)
    print(to_json(map_document(target, documents, [*said, *found])))
    return found


def _print_runs(form: str, disks: tuple[DiskMap, ...]) -> "Iterator[Finding]":
    from diskchain.report.runs import print_runs

    if form == "parquet" and (len(disks) != 1 or sys.stdout.isatty()):
        raise UsageError(
            "--format parquet writes one disk, and not to a terminal: name it with -d, and send it to a file"
        )
    print_runs(form, disks, sys.stdout)
    for each in disks:
        yield from each.findings


def _print_cost(
    args: argparse.Namespace, disks: tuple[DiskMap, ...], said: "list[Finding]", settings: "Settings", style: Style
) -> "list[Finding]":
    from diskchain.actions.map_cost import forecast

    disk = _only(disks, "--cost")
    cost = forecast(disk, args.cost, args.top, args.base, settings)
    found = disk.findings
    if args.json:
        from diskchain.schema import cost_document, to_json

        print(to_json(cost_document(args.target, disk.disk.title, cost, [*said, *found])))
    else:
        from diskchain.report.cost import cost_lines

        for line in cost_lines(cost, style):
            print(line)
    return found


def _only(disks: tuple[DiskMap, ...], option: str) -> DiskMap:
    if len(disks) != 1:
        known = ", ".join(each.disk.name for each in disks) or "none with a medium"
        raise UsageError(f"{option} is about one disk: name it with -d; the disks are: {known}")
    return disks[0]


def _print_blame(
    disks: tuple[DiskMap, ...], stretch: tuple[int, int | None], seconds: float, style: Style
) -> "Iterator[Finding]":
    from diskchain.report.map import blame_lines

    answers: Iterator[Blame] = blame(_only(disks, "--blame"), *stretch, seconds)
    for line in blame_lines(answers, style):
        print(line)
    yield from disks[0].findings
