"""``diskchain catalogue``: load scans of other hosts, and see what the catalogue holds."""

import argparse
import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from diskchain.cli.options.catalogue import add_database_argument, url_of
from diskchain.errors import StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = """\
examples:
  diskchain catalogue load kvm1.jsonl kvm2.jsonl
  ssh kvm3 diskchain scan /srv/vms | diskchain catalogue load - --db postgresql:///chains
  diskchain catalogue status
  diskchain catalogue audit

load takes what diskchain scan prints; a place becomes part of the catalogue whole or not at all. status lists places, and when and how
well each was seen. audit compares what the catalogue keeps with what it finds anew.

exit codes: 0 done, 1 audit found something, 2 usage, 3 could not tell; status: 3 when a place was not seen whole"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``catalogue``."""
    parser.add_argument("what", choices=["load", "status", "audit"], help="what to do")
    parser.add_argument("files", metavar="FILE", nargs="*", help="with load: scans; - for stdin")
    parser.add_argument(
        "--json", action="store_true", help="with status: print a JSON document (schema diskchain/status/1)"
    )
    add_database_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Load, or show."""
    if args.what == "load":
        if args.json:
            raise UsageError("--json goes with status")
        return _load(args)
    if args.files:
        raise UsageError(f"{args.what} takes no file")
    return _status(args) if args.what == "status" else _audit(args)


def _load(args: argparse.Namespace) -> int:
    from diskchain.actions.catalogue import load
    from diskchain.report.fleet import loaded_line
    from diskchain.schema.scan import read_lines

    if not args.files:
        raise UsageError("load what? Name files that diskchain scan printed, or - for stdin")
    with ExitStack() as exits:
        for name in args.files:
            lines = read_lines(_opened(name, exits), origin=name)
            for loaded in load(url_of(args), lines):
                print(loaded_line(loaded))
    return 0


def _opened(name: str, exits: ExitStack) -> "Iterator[str]":
    if name == "-":
        return iter(sys.stdin)
    try:
        return exits.enter_context(open(name, encoding="utf-8", errors="surrogateescape"))
    except OSError as error:
        raise StorageError(error.strerror or str(error), path=name) from error


def _status(args: argparse.Namespace) -> int:
    from diskchain.actions.catalogue import Place, opened, seen
    from diskchain.report.exit_codes import CLEAN, COULD_NOT_TELL

    with opened(Place(url_of(args))) as connection:
        found = seen(connection)
    if args.json:
        from diskchain.actions.catalogue_documents import status_document
        from diskchain.schema import to_json

        print(to_json(status_document(found)))
    else:
        from diskchain.report.fleet import status_lines
        from diskchain.report.style import style_of

        for line in status_lines(found, style_of(sys.stdout, environ=dict(os.environ))):
            print(line)
    return CLEAN if found.is_whole else COULD_NOT_TELL


def _audit(args: argparse.Namespace) -> int:
    from diskchain.actions.catalogue import Place, opened
    from diskchain.catalogue.audit import audit

    with opened(Place(url_of(args))) as connection:
        found = audit(connection)
    for line in found:
        print(line)
    print("nothing is wrong with the catalogue" if not found else f"{len(found):,} things are wrong with the catalogue")
    return 1 if found else 0
