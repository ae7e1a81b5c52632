"""``diskchain diff``: per layer, what the document declares, what the headers say, and what the domain runs with."""

import argparse
import os
import sys

from diskchain.actions.target import Target, is_document, read_document
from diskchain.checks.compare import Row, compare, undeclared
from diskchain.cli.options.target import add_target_arguments
from diskchain.discover import Discoverer
from diskchain.errors import StorageError, UsageError
from diskchain.findings import Finding
from diskchain.report.findings import FINDINGS, exit_code
from diskchain.report.style import style_of
from diskchain.storage.source import Source
from diskchain.system.paths import real_path

EXAMPLE = """\
examples:
  diskchain diff vm.xml
  diskchain diff -c qemu:///system vm -d vda

With -c the document is the persistent definition, and the running domain is compared, too.

exit codes: 0 all views agree, 1 they differ or something is wrong with an image, 2 usage, 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``diff``."""
    add_target_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/diff/1)")


def run(args: argparse.Namespace) -> int:
    """Compare and print."""
    documents, running = _views(args)
    discoverer = Discoverer()
    disks: list[tuple[str, list[Row], tuple[Finding, ...]]] = []
    for name in dict.fromkeys([*documents, *(running or {})]):
        document, live = documents.get(name), (running or {}).get(name)
        top = document or live
        if top is None:
            continue
        headers = discoverer.discover(undeclared(top))
        rows = compare(document, headers.source, live, live=running is not None, resolve=_file_of)
        disks.append((name, rows, tuple(headers.findings)))
    if args.json:
        from diskchain.schema import diff_document, to_json

        print(to_json(diff_document(args.target, disks)))
    else:
        from diskchain.report.difference import difference_lines

        style = style_of(sys.stdout, environ=dict(os.environ))
        for name, rows, findings in disks:
            for line in difference_lines(name, rows, findings, style, live=running is not None):
                print(line)
    if not all(row.agree for _, rows, _ in disks for row in rows):
        return FINDINGS
    return exit_code(found for _, _, findings in disks for found in findings)


def _file_of(path: str) -> str:
    """What ``path`` leads to; the path itself, tidied up, where that cannot be told in time."""
    try:
        return real_path(path)
    except (StorageError, ValueError):
        return os.path.normpath(path)


def _views(args: argparse.Namespace) -> tuple[dict[str, Source], dict[str, Source] | None]:
    """The disks of the document by target, and those of the running domain if there is one."""
    from diskchain.actions.document import document_targets

    live: list[Target] | None = None
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
        live = document_targets(domain.live, args.target) if domain.live else None
    documents, running = _asked(args, declared), _asked(args, live or [])
    if args.disk is not None and not documents and not running:
        raise UsageError(f"{args.target} has no disk called {args.disk}")
    return documents, running if live is not None else None


def _asked(args: argparse.Namespace, disks: list[Target]) -> dict[str, Source]:
    return {disk.name: disk.source for disk in disks if args.disk in (None, disk.name)}
