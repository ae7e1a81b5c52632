"""``diskchain grant``: the least change that lets a user use a chain; with ``--apply``, made and written into the journal."""

import argparse
import os
import sys
from collections.abc import Iterable

from diskchain.access.grants.apply import Granted, GrantFailed
from diskchain.actions.grant import GrantRequest, PlannedGrant, plan, plan_and_apply
from diskchain.cli.options.access import add_access_arguments, question_of, wanted_of
from diskchain.cli.options.state import add_state_argument, state_of
from diskchain.cli.options.target import add_target_arguments
from diskchain.findings import Finding
from diskchain.readers.policy import POLICIES, policy_named
from diskchain.report.findings import shown_lines
from diskchain.report.grant import failed_lines, grant_code, granted_lines, plan_lines, refusal_hint
from diskchain.report.style import style_of

EXAMPLE = """\
examples:
  diskchain grant /images/top.qcow2 --as libvirt-qemu --for commit
  diskchain grant -c qemu:///system vm -d vda --for commit --apply
  diskchain revert

Prints a plan. With --apply, each file's original state is in the journal, synced to the disk, before the file is
touched, also of files that only libvirt will change. Nothing is ever granted to everybody. Where a file does not answer,
nothing is changed; when that shows only while changing, what was changed is given back, and the journal keeps the rest
for a later revert.

What a header names gets a right only beside its image or below, in a format the header records, and when the image
belongs to root, to you, or to the owner of the named file. A document may name any file; --policy libvirt trusts every
header. No right is granted on a FIFO or a character device, or on a chain that cannot be followed to its end.

exit codes: 0 granted (or nothing to do), 1 something stays in the way, 2 usage, 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``grant``."""
    add_target_arguments(parser)
    add_access_arguments(parser)
    parser.add_argument(
        "--policy",
        choices=list(POLICIES),
        default="strict",
        help="which files a header may name to be granted; what a document declares always is (default: %(default)s)",
    )
    parser.add_argument(
        "--allow",
        action="append",
        choices=("mode", "owner"),
        default=[],
        help="besides ACL entries: change permission bits, or the owner; repeatable",
    )
    parser.add_argument("--apply", action="store_true", help="do it, and keep in the journal how it was")
    parser.add_argument(
        "--while",
        dest="holder",
        metavar="PID",
        type=int,
        help="a revert of all grants leaves this one alone while process PID lives (default: the domain's QEMU)",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/grant/1)")
    add_state_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Plan, perhaps apply, print."""
    policy = policy_named(args.policy)
    asked = question_of(args, policy)
    request = GrantRequest(
        operation=wanted_of(args).words(),
        policy=policy,
        state=state_of(args),
        allowed=frozenset({"acl", *args.allow}),
        process=args.holder,
    )
    granted = None
    if not args.apply:
        planned = plan(asked, request)
    else:
        try:
            planned, granted = plan_and_apply(asked, request)
        except GrantFailed as error:
            for line in failed_lines(error.given_back):
                print(line, file=sys.stderr)
            raise
    if args.json:
        _print_json(args, planned, granted, asked.unread)
    else:
        for line in shown_lines(asked.unread, style_of(sys.stdout, environ=dict(os.environ))):
            print(line)
        _print(args, planned, granted, running=asked.running and asked.domain is not None)
    if planned.journal_problem is not None:
        print(f"diskchain: the journal cannot be used: {planned.journal_problem}", file=sys.stderr)
    return grant_code(planned)


def _print(args: argparse.Namespace, planned: PlannedGrant, granted: Granted | None, *, running: bool) -> None:
    for line in plan_lines(planned.plan, style_of(sys.stdout, environ=dict(os.environ))):
        print(line)
    hint = refusal_hint(planned.plan) if args.policy != "libvirt" else None
    if hint is not None:
        print(hint)
    if granted is not None:
        for line in granted_lines(granted, running=running):
            print(line)
    elif args.apply:
        print("nothing was changed")


def _print_json(
    args: argparse.Namespace, planned: PlannedGrant, granted: Granted | None, unread: Iterable[Finding]
) -> None:
    from diskchain.schema import grant_document, to_json

    document = grant_document(
        planned.plan,
        granted,
        unread,
        target=args.target,
        operation=wanted_of(args).words(),
        policy=args.policy,
        journal_problem=planned.journal_problem,
    )
    print(to_json(document))
