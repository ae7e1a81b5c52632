"""``diskchain access``: whether somebody may use each file of a chain, and what stands in the way."""

import argparse
import os
import sys

from diskchain.cli.options.access import add_access_arguments, question_of
from diskchain.cli.options.target import add_target_arguments
from diskchain.report.access import access_code, access_lines, access_title
from diskchain.report.findings import shown_lines

EXAMPLE = """\
examples:
  diskchain access /images/top.qcow2 --as libvirt-qemu --for commit
  diskchain access -c qemu:///system vm -d vda --for commit --top 'vda[2]' --base 'vda[4]'
  diskchain access vm.xml --as +64055:+64055 --json

A domain's files are judged as they will be once libvirt has given them to its user (--as-is: as they are).

exit codes: 0 allowed, 1 denied, 2 usage, 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``access``."""
    add_target_arguments(parser)
    add_access_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/access/1)")


def run(args: argparse.Namespace) -> int:
    """Look, judge and print."""
    asked = question_of(args)
    answers = [(subject, asked.answer(subject)) for subject in asked.subjects]
    if args.json:
        from diskchain.schema import AccessDocument, access_disk_document, finding_document, to_json

        disks = tuple(access_disk_document(subject.name, found) for subject, found in answers)
        print(
            to_json(
                AccessDocument(
                    target=args.target,
                    operation=args.operation,
                    user=str(asked.who),
                    disks=disks,
                    origin=str(asked.actor.origin),
                    where=asked.actor.where,
                    findings=tuple(map(finding_document, asked.unread)),
                )
            )
        )
    else:
        from diskchain.report.style import style_of

        style = style_of(sys.stdout, environ=dict(os.environ))
        for line in shown_lines(asked.unread, style):
            print(line)
        for subject, found in answers:
            print(style.bold(access_title(subject.name, args.operation, asked.actor)))
            for line in access_lines(found, style):
                print(f"  {line}")
    return access_code((access for _, found in answers for access in found), complete=asked.known)
