"""``diskchain explain``: what a finding means, how it comes about and how to mend it; or all findings there are."""

import argparse
import os
import sys

from diskchain.actions.explain import all_kinds, explain
from diskchain.findings import KINDS
from diskchain.report.style import style_of

EXAMPLE = """\
examples:
  diskchain explain missing
  diskchain explain

exit codes: 0 printed, 2 usage"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``explain``."""
    parser.add_argument(
        "id",
        metavar="ID",
        nargs="?",
        choices=sorted(KINDS),
        help="of a finding, as it stands in brackets; none: list all",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/explain/1)")


def run(args: argparse.Namespace) -> int:
    """Print the page, or the list."""
    found = all_kinds() if args.id is None else [explain(args.id)]
    if args.json:
        from diskchain.schema import explain_document, to_json

        print(to_json(explain_document((each.id, each.kind, each.page) for each in found)))
        return 0
    from diskchain.report.explanation import kind_lines, page_lines

    style = style_of(sys.stdout, environ=dict(os.environ))
    for line in kind_lines(found, style) if args.id is None else page_lines(found[0].page or "", style):
        print(line)
    return 0
