"""``diskchain dependents``: what relies on a file, at any depth, on all hosts that were scanned."""

import argparse
import os
import sys

from diskchain.cli.options.catalogue import add_catalogue_arguments, check_places, url_of

EXAMPLE = """\
examples:
  diskchain dependents /srv/base.qcow2 --search /srv -c qemu:///system
  diskchain dependents /srv/base.qcow2
  diskchain dependents web1 --json | jq -r '.files[].path'

Overlays, snapshots and domains, and what was not looked at: "not scanned" is not "not found".

exit codes: 0 nothing relies on it and no domain needs it, 1 something does, 2 usage, 3 nothing is known to, but not all was seen"""

_PAGE = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``dependents``."""
    parser.add_argument("target", metavar="TARGET", help="a file, a directory, or a domain's name or UUID")
    parser.add_argument("--all", action="store_true", help=f"list all of them, not the first {_PAGE}")
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/dependents/1)")
    add_catalogue_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    from diskchain.actions.catalogue import Place, dependents, opened
    from diskchain.report.exit_codes import CLEAN, COULD_NOT_TELL, FINDINGS

    check_places(args)
    place = Place(url_of(args), tuple(args.search), args.connect)
    with opened(place) as connection:
        found = dependents(connection, args.target, most=None if args.all or args.json else _PAGE)
        if args.json:
            from diskchain.actions.catalogue_documents import dependents_document
            from diskchain.schema import to_json

            print(to_json(dependents_document(found)))
        else:
            from diskchain.report.fleet import dependents_lines
            from diskchain.report.style import style_of

            for line in dependents_lines(found, style_of(sys.stdout, environ=dict(os.environ))):
                print(line)
    if found.count or found.domains:
        return FINDINGS
    return CLEAN if found.coverage.is_whole else COULD_NOT_TELL
