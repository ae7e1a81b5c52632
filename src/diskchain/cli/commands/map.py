"""``diskchain map``: which layer answers for which bytes of a disk; sums for people, runs for programs."""

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from diskchain.actions.chains import examine_one
from diskchain.actions.map import Blame, DiskMap, blame, map_disks, parse_place
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
from diskchain.report.style import Style, style_of

if TYPE_CHECKING:
    from diskchain.findings import Finding

EXAMPLE = """\
examples:
  diskchain map vm.xml -d vda
  diskchain map disk.qcow2 --format csv > runs.csv
  diskchain map disk.qcow2 --blame 1.5G
  diskchain map disk.qcow2 --blame 0x100000-0x200000

"hidden" are data that a layer holds and no guest sees, since a layer above answers there. --format prints every run, with the keys of
qemu-img map --output=json and the layer's name. Needs numpy: pip install 'diskchain[map]'

exit codes: 0 clean, 1 findings, 2 usage, 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``map``."""
    add_target_arguments(parser, format_option="-f")
    add_remote_arguments(parser)
    add_policy_argument(parser)
    output = parser.add_mutually_exclusive_group()
    output.add_argument(
        "--json", action="store_true", help="print the sums as a JSON document (schema diskchain/map/1)"
    )
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


def run(args: argparse.Namespace) -> int:
    """Look and print."""
    stretch = None if args.blame is None else parse_place(args.blame)
    with reader_for(args) as reader:
        settings = settings_of(args, reader)._replace(rights=False)
        target = examine_one(target_name(args), settings)
        disks = map_disks(target, wanted_disks(args), settings)
        style = style_of(sys.stdout, environ=dict(os.environ))
        said: list[Finding] = [*target.said, *(found for each in disks for found in each.disk.findings())]
        if args.json:
            said += _print_document(args.target, disks, said)
        elif args.runs is not None:
            said += _print_runs(args.runs, disks)
        elif stretch is not None:
            said += _print_blame(disks, stretch, args.timeout, style)
        else:
            said += _print_sums(disks, style)
    if not args.json:
        for line in shown_lines(said, style_of(sys.stderr, environ=dict(os.environ))):
            print(line, file=sys.stderr)
    return exit_code(said)


def _print_sums(disks: tuple[DiskMap, ...], style: Style) -> "Iterator[Finding]":
    from diskchain.report.map import map_lines

    for each in disks:
        for line in map_lines(each, each.map.totals(), style):
            print(line)
        yield from each.findings


def _print_document(target: str, disks: tuple[DiskMap, ...], said: "list[Finding]") -> "list[Finding]":
    from diskchain.schema import map_disk_document, map_document, to_json

    documents = []
    found: list[Finding] = []
    for each in disks:
        header = each.map.chain.top.header
        capacity = None if header is None else header.capacity
        documents.append(map_disk_document(each.disk.title, capacity, each.layers, each.map.totals()))
        found += each.findings
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


def _print_blame(
    disks: tuple[DiskMap, ...], stretch: tuple[int, int | None], seconds: float, style: Style
) -> "Iterator[Finding]":
    from diskchain.report.map import blame_lines

    if len(disks) != 1:
        known = ", ".join(each.disk.name for each in disks) or "none with a medium"
        raise UsageError(f"--blame is about one disk: name it with -d; the disks are: {known}")
    answers: Iterator[Blame] = blame(disks[0], *stretch, seconds)
    for line in blame_lines(answers, style):
        print(line)
    yield from disks[0].findings
