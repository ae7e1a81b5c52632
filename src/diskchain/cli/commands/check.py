"""``diskchain check``: every finding about images, documents and domains; for people, programs and code scanners."""

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from diskchain.cli.elsewhere import add_remote_arguments, discoverer_for, reader_for
from diskchain.cli.selection import select
from diskchain.cli.target import (
    DEPTH_WARNING,
    Target,
    TargetDocument,
    add_target_arguments,
    discovered,
    document_of,
    image_target,
)
from diskchain.discover import BackingChain
from diskchain.discover.notes import unreadable_target
from diskchain.errors import ParseError, StorageError, UsageError, printable
from diskchain.findings import KINDS, Finding, Severity
from diskchain.readers.policy import POLICIES, policy_named
from diskchain.report.findings import exit_code, finding_lines
from diskchain.report.style import style_of
from diskchain.storage.location import local_path
from diskchain.storage.source import files as files_of
from diskchain.storage.source import layers

if TYPE_CHECKING:
    from diskchain.cli.remote_reader import RemoteReader

EXAMPLE = """\
examples:
  diskchain check vm.xml
  diskchain check --policy upload upload.qcow2
  diskchain check top.qcow2 --search /var/lib/libvirt/images
  diskchain check --sarif *.xml > findings.sarif
  diskchain check -c qemu:///system

With -c and no TARGET: all domains of the host, and rights on their files that nobody needs any more.
Every id is explained in docs/findings. Exit codes: 0 clean, 1 findings, 2 usage, 3 could not tell. Notes (info) count for
nothing."""

_MOST_CANDIDATES = 5  # of one missing layer; more is noise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``check``."""
    add_target_arguments(parser, several=True)
    add_remote_arguments(parser)
    parser.add_argument(
        "--policy",
        choices=list(POLICIES),
        default="libvirt",
        help="what an image may make us open (default: %(default)s)",
    )
    parser.add_argument(
        "--profile",
        choices=["generic", "qemu"],
        default="qemu",
        help="whose rules a document must keep: any hypervisor's, or QEMU's too (default: %(default)s)",
    )
    parser.add_argument(
        "--search", metavar="DIR", action="append", default=[], help="look here for missing layers; repeatable"
    )
    parser.add_argument(
        "--depth",
        metavar="N",
        type=int,
        default=DEPTH_WARNING,
        help="warn about chains deeper than N (default: %(default)s)",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/check/1)")
    output.add_argument("--sarif", action="store_true", help="print a SARIF 2.1.0 log")


def run(args: argparse.Namespace) -> int:
    """Collect, print, and say how bad it is."""
    if not args.target and args.connect is None:
        raise UsageError("check what? Name images or documents, or a connection with -c")
    files: set[str] = set()
    names = args.target or _domains(args.connect)
    with reader_for(args) as reader:
        found = [(target, finding) for target in names for finding in _findings(args, target, files, reader)]
        if reader is not None and (problem := reader.keys.misfit()) is not None:
            print(f"diskchain: warning: {problem}", file=sys.stderr)
    if args.connect is not None:
        rights = [(args.connect, each) for each in _rights(args.connect) if not args.target or each.file in files]
        found += rights
        names = [*names, args.connect] if rights or not args.target else names
    if args.json:
        from diskchain.report.documents import check_document, to_json

        print(to_json(check_document(names, found)))
    elif args.sarif:
        from diskchain.labels.kinds import KINDS as LABEL_KINDS
        from diskchain.libvirtxml.kinds import KINDS as XML_KINDS
        from diskchain.report.sarif import sarif

        print(sarif(found, {id: kind.title for id, kind in (KINDS | XML_KINDS | LABEL_KINDS).items()}))
    else:
        _print(names, found)
    return exit_code(finding for _, finding in found)


def _domains(uri: str) -> list[str]:
    """The names of all domains of a connection."""
    from diskchain.hypervisor.connection import Connection

    with Connection(uri) as connection:
        return sorted(domain.name for domain in connection.domains())


def _rights(uri: str) -> list[Finding]:
    """Rights that nobody needs, or that somebody lacks, on the files of all domains of a connection."""
    from diskchain.cli.label_findings import label_findings
    from diskchain.hypervisor.connection import Connection

    with Connection(uri) as connection:
        return label_findings(connection)


def _findings(
    args: argparse.Namespace, target: str, files: set[str], reader: "RemoteReader | None"
) -> Iterator[Finding]:
    """Everything there is to say about one target; that it cannot be read is one more finding. Adds its layers to ``files``."""
    try:
        document = document_of(args, target)
        if document is None:
            yield from _of_chains(args, [image_target(target, args.format)], files, reader)
        else:
            yield from _of_document(args, target, document, files, reader)
    except (ParseError, StorageError) as error:
        yield unreadable_target(target, error)


def _of_document(
    args: argparse.Namespace, target: str, document: TargetDocument, files: set[str], reader: "RemoteReader | None"
) -> Iterator[Finding]:
    """What libvirt would say of a document, and of the chains of those of its disks that can be understood."""
    from diskchain.cli.document_target import disk_targets
    from diskchain.libvirtxml.postparse import Profile
    from diskchain.libvirtxml.validate.document import check_document

    checked = check_document(document.text, Profile(args.profile), target)
    disks = disk_targets(checked.disks, document.host)
    asked = None if args.disk is None else args.disk.partition("[")[0]
    about_asked = [said for disk, said in checked.findings if disk == asked]
    if about_asked or any(disk.name == asked for disk in disks):
        yield from about_asked
    else:  # nobody asked for one disk, or by the path of a layer
        yield from (said for _, said in checked.findings)
    if not about_asked or any(disk.name == asked for disk in disks):
        yield from _of_chains(args, disks, files, reader)


def _of_chains(
    args: argparse.Namespace, disks: list[Target], files: set[str], reader: "RemoteReader | None"
) -> Iterator[Finding]:
    discoverer = discoverer_for(args, policy_named(args.policy), disks, reader)
    chains = select(discovered(discoverer, disks, depth_warning=args.depth), args.disk)
    for _, chain in chains:
        for layer in layers(chain.source):
            files.update(path for file in files_of(layer) if (path := local_path(file.location)) is not None)
        yield from chain.findings
        if args.search:
            yield from _candidates(chain, args.search)


def _candidates(chain: BackingChain, directories: list[str]) -> Iterator[Finding]:
    from diskchain.discover.candidates import candidates, wanted_layers
    from diskchain.discover.notes import found_again

    for wanted in wanted_layers(chain):
        for candidate in candidates(wanted, directories)[:_MOST_CANDIDATES]:
            yield found_again(wanted.path, candidate.path, candidate.reasons)


def _print(names: list[str], found: list[tuple[str, Finding]]) -> None:
    style = style_of(sys.stdout, environ=dict(os.environ))
    for name in names:
        mine = [finding for target, finding in found if target == name]
        worst = sum(finding.severity is not Severity.INFO for finding in mine)
        verdict = "clean" if not worst else f"{worst} finding{'s' if worst > 1 else ''}"
        print(f"{style.bold(printable(name))}: {verdict}")
        for finding in mine:
            for line in finding_lines(finding, style):
                print(f"  {line}")
