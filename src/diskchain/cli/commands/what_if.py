"""``diskchain what-if``: what becomes invalid when a file is deleted, moved, or merged into its backing file. Changes nothing."""

import argparse
import os
import sys

from diskchain.cli.options.catalogue import add_catalogue_arguments, check_places, url_of

EXAMPLE = """\
examples:
  diskchain what-if delete /srv/base.qcow2 --search /srv -c qemu:///system
  diskchain what-if commit /srv/snap1.qcow2
  diskchain what-if move /srv/base.qcow2 --json

exit codes: 0 nothing becomes invalid, 1 something does, 2 usage, 3 nothing is known to, but not all was seen"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``what-if``."""
    parser.add_argument("what", choices=["delete", "commit", "move"], help="what would be done to the file")
    parser.add_argument("file", metavar="FILE", help="a file that was scanned, or that another names")
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/what-if/1)")
    add_catalogue_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    from diskchain.actions.catalogue import Place, consequences, opened
    from diskchain.report.exit_codes import CLEAN, COULD_NOT_TELL, FINDINGS

    check_places(args)
    with opened(Place(url_of(args), tuple(args.search), args.connect)) as connection:
        found = consequences(connection, args.what, args.file)
    if args.json:
        from diskchain.actions.catalogue_documents import what_if_document
        from diskchain.schema import to_json

        print(to_json(what_if_document(found)))
    else:
        from diskchain.report.fleet import what_if_lines
        from diskchain.report.style import style_of

        for line in what_if_lines(found, style_of(sys.stdout, environ=dict(os.environ))):
            print(line)
    if any(each.effect == "invalid" for each in found.consequences):
        return FINDINGS
    return CLEAN if found.coverage.is_whole else COULD_NOT_TELL
