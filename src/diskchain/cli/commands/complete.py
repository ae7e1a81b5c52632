"""``diskchain complete``: the same document with every ``<backingStore>`` filled in; ``--strip`` takes that out again."""

import argparse
import os
import sys
from collections.abc import Collection

from diskchain.actions.target import read_document
from diskchain.cli.options.remote import add_timeout_argument
from diskchain.errors import UsageError, printable
from diskchain.findings import Finding, finding
from diskchain.storage.source import Source

EXAMPLE = """\
examples:
  diskchain complete vm.xml                  the completed document on stdout
  diskchain complete vm.xml --in-place       in the file itself
  virsh dumpxml --inactive vm | diskchain complete - -d vda -o vda-completed.xml
  diskchain complete vm.xml --strip          without what was filled in
  diskchain complete -c qemu:///system vm -o vm.xml

What is filled in follows a comment, <!-- detected by diskchain -->, by which --strip finds it. Everything else stays as
it is, byte for byte. What a disk declares is believed; a chain with a fault is filled in down to the fault.

With -c the document is what libvirt starts the domain with next time, running or not. It is printed, never defined. As
with virsh dumpxml, what libvirt shows to nobody who may only read is not in it: passwords of VNC and SPICE.

exit codes: 0 clean, 1 findings, 2 usage, 3 could not tell; the document is written in all cases but usage errors"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``complete``."""
    parser.add_argument(
        "document",
        metavar="DOMAIN.xml",
        help="a file with <domain>, <domainsnapshot> or <disk>; - for stdin; with -c a domain",
    )
    parser.add_argument(
        "-c",
        "--connect",
        metavar="URI",
        help="complete the persistent definition of the domain of that name or uuid of this libvirt connection",
    )
    parser.add_argument(
        "-d", "--disk", metavar="DISK", action="append", help="only this disk, by its target: vda (may be repeated)"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-o", "--output", metavar="FILE", default="-", help="write there (default: stdout)")
    where.add_argument(
        "--in-place", action="store_true", help="replace DOMAIN.xml, all or nothing; keeps owner, mode, ACL and labels"
    )
    parser.add_argument("--strip", action="store_true", help="remove what was filled in instead")
    add_timeout_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Complete or strip, write, and tell what was found."""
    from diskchain.discover.messages import hard_links
    from diskchain.libvirtxml.edit.completion import strip
    from diskchain.report.findings import exit_code, finding_lines
    from diskchain.report.style import style_of
    from diskchain.system.atomic_write import replace_file, state_of, write_file

    if args.in_place and args.document == "-":
        raise UsageError("stdin cannot be changed in place; leave out --in-place or use -o")
    if args.connect is None:
        seen = state_of(args.document, args.timeout) if args.in_place else None
        document = read_document(args.document, args.timeout)
    else:
        seen, document = None, _definition(args)
    chosen = None if args.disk is None else _chosen(document, args.document, args.disk)
    document = strip(document, chosen, args.document)
    findings: tuple[Finding, ...] = ()
    if not args.strip:
        document, findings = _completed(document, args.document, chosen, args.timeout)
    if seen is not None:
        others = replace_file(args.document, document, seen, args.timeout)
        findings += (hard_links(args.document, others),) if others else ()
    else:
        write_file(args.output, document, args.timeout)
    style = style_of(sys.stderr, environ=dict(os.environ))
    for found in findings:
        for line in finding_lines(found, style):
            print(line, file=sys.stderr)
    return exit_code(findings)


def _definition(args: argparse.Namespace) -> bytes:
    """The persistent definition of a domain. Raises UsageError when it has none, or its files are not ours; PeerError."""
    from diskchain.hypervisor.connection import Connection

    if args.in_place:
        raise UsageError("nothing is changed in libvirt: leave out --in-place, use -o, and virsh define what you like")
    if args.strip:
        raise UsageError(
            "libvirt drops comments, so what was filled in cannot be told in what it says; --strip is for files"
        )
    with Connection(args.connect) as connection:
        if connection.host is not None:
            raise UsageError(f"the files are on {connection.host}; run diskchain there")
        document = connection.domain(args.document).inactive
    if document is None:
        raise UsageError(f"{printable(args.document)} is transient: it has no definition for another start")
    return document


def _chosen(document: bytes, origin: str, wanted: list[str]) -> set[int]:
    """The numbers, in document order, of the disks with these targets; a snapshot's document may have one twice."""
    from diskchain.libvirtxml.edit.completion import declared_disks

    targets = [disk.target.dev for disk in declared_disks(document, origin)]
    for target in wanted:
        if target not in targets:
            known = ", ".join(str(each) for each in dict.fromkeys(targets)) or "none"
            raise UsageError(f"no disk is called {target}: the disks are {known}")
    return {number for number, target in enumerate(targets) if target in wanted}


def _completed(
    document: bytes, origin: str, chosen: Collection[int] | None, seconds: float
) -> tuple[bytes, tuple[Finding, ...]]:
    """The document with the chains of the ``chosen`` disks, and everything found on the way, each once."""
    from diskchain.checks.confirmed import certain
    from diskchain.discover import Discoverer
    from diskchain.libvirtxml.edit.completion import complete, declared_disks, unwritable

    discoverer = Discoverer(seconds=seconds)
    findings: list[Finding] = []
    chains: list[Source | None] = []
    for number, disk in enumerate(declared_disks(document, origin)):
        chains.append(None)
        if disk.is_empty or (chosen is not None and number not in chosen):
            continue
        chain = discoverer.discover(disk.source)
        findings += chain.findings
        source = certain(chain)
        name = unwritable(source)
        if name is None:
            chains[-1] = source
        else:
            message = f"{printable(name)} cannot be written in XML, so disk {disk.target.dev} is left as it was"
            findings.append(finding("not-in-xml", message, file=name))
    return complete(document, chains, origin), tuple(dict.fromkeys(findings))
