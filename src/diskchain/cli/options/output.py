"""``--in-place``, ``-o`` and ``--json`` of the verbs that change a layer of a document, and writing it."""

import os
import sys
from typing import TYPE_CHECKING

from diskchain.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from diskchain.findings import Finding


def add_output_arguments(parser: "argparse.ArgumentParser") -> None:
    """Where the changed document goes."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-o", "--output", metavar="FILE", default="-", help="write there (default: stdout)")
    where.add_argument(
        "--in-place", action="store_true", help="replace DOMAIN.xml, all or nothing; keeps owner, mode, ACL and labels"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/edit/1)")


def write_edited(args: "argparse.Namespace", edited: "Callable[[bytes], bytes]") -> None:
    """Write what ``edited`` makes of ``args.document`` where the arguments say. Raises UsageError, StorageError and what that raises."""
    from diskchain.actions.complete import definition_of
    from diskchain.actions.target import TargetName
    from diskchain.discover.messages import hard_links
    from diskchain.system.atomic_write import replace_file, state_of, write_file

    if args.in_place and args.document == "-":
        raise UsageError("stdin cannot be changed in place; leave out --in-place or use -o")
    seen = state_of(args.document) if args.in_place else None
    before = definition_of(TargetName(args.document)).text
    text = edited(before)
    others = 0
    if seen is not None:
        others = replace_file(args.document, text, seen)
    elif args.output != "-" or not args.json:
        write_file(args.output, text)
    findings = (hard_links(args.document, others),) if others else ()
    if args.json:
        from diskchain.schema import edit_document, to_json

        written = args.document if args.in_place else None if args.output == "-" else args.output
        print(
            to_json(edit_document(args.document, args.layer, text, findings, changed=text != before, written=written))
        )
    else:
        _tell(findings)


def _tell(findings: "tuple[Finding, ...]") -> None:
    from diskchain.report.findings import finding_lines
    from diskchain.report.style import style_of

    style = style_of(sys.stderr, environ=dict(os.environ))
    for found in findings:
        print("\n".join(finding_lines(found, style)), file=sys.stderr)
