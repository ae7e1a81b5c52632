"""``diskchain diff``: per layer, what the document declares, what the headers say, and what the domain runs with."""

import argparse
import os
import sys

from diskchain.cli.target import Target, add_target_arguments, is_document, read_document
from diskchain.discover.compare import Row, compare, undeclared
from diskchain.discover.patience import PatientDiscoverer
from diskchain.errors import UsageError
from diskchain.report.findings import CLEAN, COULD_NOT_TELL, FINDINGS
from diskchain.report.style import style_of
from diskchain.storage.source import Source

EXAMPLE = """\
examples:
  diskchain diff vm.xml
  diskchain diff -c qemu:///system vm -d vda

With -c the document is the persistent definition, and the running domain is compared, too.
Exit codes: 0 all views agree, 1 they differ, 2 usage, 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``diff``."""
    add_target_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/diff/1)")


def run(args: argparse.Namespace) -> int:
    """Compare and print."""
    documents, running = _views(args)
    discoverer = PatientDiscoverer()
    disks: list[tuple[str, list[Row]]] = []
    complete = True
    for name, source in documents.items():
        headers = discoverer.discover(undeclared(source))
        complete = complete and headers.complete
        disks.append((name, compare(source, headers.source, running.get(name))))
    if args.json:
        from diskchain.report.documents import diff_document, to_json

        print(to_json(diff_document(args.target, disks)))
    else:
        from diskchain.report.difference import difference_lines

        style = style_of(sys.stdout, environ=dict(os.environ))
        for name, rows in disks:
            for line in difference_lines(name, rows, style, live=bool(running)):
                print(line)
    if not all(row.agree for _, rows in disks for row in rows):
        return FINDINGS
    return CLEAN if complete else COULD_NOT_TELL


def _views(args: argparse.Namespace) -> tuple[dict[str, Source], dict[str, Source]]:
    """The disks of the document, and of the running domain if there is one, by target."""
    from diskchain.cli.document_target import document_targets

    live: list[Target] = []
    if args.connect is None:
        if args.format is not None or not is_document(args.target):
            raise UsageError("diff compares a document with images: name a document, or a domain with -c")
        declared = document_targets(read_document(args.target), args.target)
    else:
        from diskchain.hypervisor.connection import Connection

        with Connection(args.connect) as connection:
            if connection.host is not None:
                raise UsageError(f"the images are on {connection.host}: run diff there")
            domain = connection.domain(args.target)
        declared = document_targets(domain.inactive or domain.current, args.target)
        live = document_targets(domain.live, args.target) if domain.live else []
    wanted = {target.name: target.source for target in declared if args.disk in (None, target.name)}
    if not wanted:
        raise UsageError(f"{args.target} has no disk called {args.disk}")
    return wanted, {target.name: target.source for target in live}
