"""``diskchain complete``: the same document with every ``<backingStore>`` filled in; ``--strip`` takes that out again."""

import argparse
import os
import sys

from diskchain.actions.complete import complete, definition_of, stripped, to_complete
from diskchain.actions.target import TargetName
from diskchain.cli.options.findings import add_findings_arguments, selection_of
from diskchain.cli.options.remote import add_timeout_argument
from diskchain.errors import UsageError

EXAMPLE = """\
examples:
  diskchain complete vm.xml                  the completed document on stdout
  diskchain complete vm.xml --in-place       in the file itself
  virsh dumpxml --inactive vm | diskchain complete - -d vda -o vda-completed.xml
  diskchain complete vm.xml --strip          without what was filled in
  diskchain complete -c qemu:///system vm -o vm.xml
  diskchain complete vm.qcow2 -o disk.xml    a <disk> with an image and its chain

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
        help="a file with <domain>, <domainsnapshot> or <disk>; - for stdin; an image, for a <disk> with it; with -c a domain",
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
    parser.add_argument(
        "--json", action="store_true", help="print a JSON document (schema diskchain/complete/1), findings in it"
    )
    add_findings_arguments(parser)
    add_timeout_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Complete or strip, write, and tell what was found."""
    from diskchain.actions.chains import Settings
    from diskchain.discover.messages import hard_links
    from diskchain.report.findings import exit_code, shown_lines
    from diskchain.report.style import style_of
    from diskchain.system.atomic_write import replace_file, state_of, write_file

    _refuse(args)
    seen = state_of(args.document, args.timeout) if args.in_place else None
    name = TargetName(args.document, args.connect, timeout=args.timeout)
    document = definition_of(name) if args.in_place or args.strip else to_complete(name)
    wanted = args.disk or []
    done = stripped(document, wanted) if args.strip else complete(document, wanted, Settings(timeout=args.timeout))
    findings = done.findings
    if seen is not None:
        others = replace_file(args.document, done.text, seen, args.timeout)
        findings += (hard_links(args.document, others),) if others else ()
    elif args.output != "-" or not args.json:
        write_file(args.output, done.text, args.timeout)
    selection = selection_of(args, whole=args.json)
    findings = tuple(filter(selection.shows, findings))
    if args.json:
        from diskchain.schema import complete_document, to_json

        written = args.document if args.in_place else None if args.output == "-" else args.output
        changed = done.text != document.text
        print(to_json(complete_document(args.document, done.text, findings, changed=changed, written=written)))
    else:
        style = style_of(sys.stderr, environ=dict(os.environ))
        for line in shown_lines(findings, style, selection):
            print(line, file=sys.stderr)
    return exit_code(findings)


def _refuse(args: argparse.Namespace) -> None:
    """Raises UsageError for options that do not go together."""
    if args.in_place and args.document == "-":
        raise UsageError("stdin cannot be changed in place; leave out --in-place or use -o")
    if args.connect is None:
        return
    if args.in_place:
        raise UsageError("nothing is changed in libvirt: leave out --in-place, use -o, and virsh define what you like")
    if args.strip:
        raise UsageError(
            "libvirt drops comments, so what was filled in cannot be told in what it says; --strip is for files"
        )
