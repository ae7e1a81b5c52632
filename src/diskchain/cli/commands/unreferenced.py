"""``diskchain unreferenced``: files that nothing needs, with their sizes. Deletes nothing."""

import argparse
import os
import re
import sys
from time import time

from diskchain.cli.options.catalogue import add_catalogue_arguments, check_places, url_of

EXAMPLE = """\
examples:
  diskchain unreferenced --search /var/lib/libvirt/images -c qemu:///system
  diskchain unreferenced --min-age 30d --json

A file is unreferenced when no domain needs it, nor an overlay of one, on any host that sees its file system; each of these has to be
scanned after the file changed, domains included. Else it is unknown, and why is said. Nothing is deleted.

exit codes: 0 there is none, 1 there are some, 2 usage, 3 all that were found are unknown"""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``unreferenced``."""
    parser.add_argument(
        "--min-age",
        metavar="AGE",
        type=_age,
        default=86400,
        help="only files not written for so long: 30d, 12h (default: 1d)",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/unreferenced/1)")
    add_catalogue_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    from diskchain.actions.catalogue import Place, opened, seen, unneeded
    from diskchain.report.exit_codes import CLEAN, COULD_NOT_TELL, FINDINGS

    check_places(args)
    with opened(Place(url_of(args), tuple(args.search), args.connect)) as connection:
        found = list(unneeded(connection, time() - args.min_age))
        covered = seen(connection)
    if args.json:
        from diskchain.actions.catalogue_documents import unreferenced_document
        from diskchain.schema import to_json

        print(to_json(unreferenced_document(found, covered, args.min_age)))
    else:
        from diskchain.report.fleet import unreferenced_lines
        from diskchain.report.style import style_of

        for line in unreferenced_lines(found, covered, style_of(sys.stdout, environ=dict(os.environ))):
            print(line)
    if not found:
        return CLEAN if covered.is_whole else COULD_NOT_TELL
    return COULD_NOT_TELL if all(each.unknown for each in found) else FINDINGS


def _age(text: str) -> int:
    """Seconds. Raises ArgumentTypeError."""
    found = re.fullmatch(r"([0-9]{1,9})([smhdw]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r}: a number and s, m, h, d or w, such as 30d")
    return int(found[1]) * _UNITS[found[2] or "s"]
