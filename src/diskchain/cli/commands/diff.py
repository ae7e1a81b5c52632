"""``diskchain diff``: per layer, what the document declares, what the headers say, and what the domain runs with."""

import argparse
import os
import sys

from diskchain.actions.diff import diff
from diskchain.cli.options.findings import add_findings_arguments, selection_of
from diskchain.cli.options.places import add_places_arguments, with_places
from diskchain.cli.options.remote import add_timeout_argument
from diskchain.cli.options.target import add_target_arguments, settings_of, target_name, wanted_disks
from diskchain.report.findings import code_of
from diskchain.report.style import style_of

EXAMPLE = """\
examples:
  diskchain diff vm.xml
  diskchain diff -c qemu:///system vm -d vda

With -c the document is the persistent definition, and the running domain is compared, too.

exit codes: 0 all views agree, 1 they differ or something is wrong with an image, 2 usage, 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``diff``."""
    add_target_arguments(parser)
    add_places_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/diff/1)")
    add_findings_arguments(parser)
    add_timeout_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Compare and print."""
    selection = selection_of(args, whole=args.json)
    found = diff(target_name(args), wanted_disks(args), with_places(args, settings_of(args))).keeping(selection.shows)
    if args.json:
        from diskchain.schema import diff_document, to_json

        print(to_json(diff_document(args.target, [(disk.name, disk.rows, disk.findings) for disk in found.disks])))
    else:
        from diskchain.report.difference import all_difference_lines

        for line in all_difference_lines(found, style_of(sys.stdout, environ=dict(os.environ))):
            print(line)
    return code_of(found.verdict)
