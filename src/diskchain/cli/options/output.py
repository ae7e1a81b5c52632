"""``--in-place`` and ``-o`` of the verbs that change a document, and writing it."""

import os
import sys
from typing import TYPE_CHECKING

from diskchain.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def add_output_arguments(parser: "argparse.ArgumentParser") -> None:
    """Where the changed document goes."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-o", "--output", metavar="FILE", default="-", help="write there (default: stdout)")
    where.add_argument(
        "--in-place", action="store_true", help="replace DOMAIN.xml, all or nothing; keeps owner, mode, ACL and labels"
    )


def write_edited(args: "argparse.Namespace", edited: "Callable[[], bytes]") -> None:
    """Write what ``edited`` makes of ``args.document`` where the arguments say. Raises UsageError, StorageError and what that raises."""
    from diskchain.discover.messages import hard_links
    from diskchain.report.findings import finding_lines
    from diskchain.report.style import style_of
    from diskchain.system.atomic_write import replace_file, state_of, write_file

    if args.in_place and args.document == "-":
        raise UsageError("stdin cannot be changed in place; leave out --in-place or use -o")
    seen = state_of(args.document) if args.in_place else None
    text = edited()
    if seen is None:
        write_file(args.output, text)
        return
    others = replace_file(args.document, text, seen)
    if others:
        style = style_of(sys.stderr, environ=dict(os.environ))
        print("\n".join(finding_lines(hard_links(args.document, others), style)), file=sys.stderr)
