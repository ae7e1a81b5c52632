"""``diskchain grant``: the least change that lets somebody use a chain; with ``--apply``, made and taken down."""

import argparse
import os
import sys

from diskchain.access.grants.apply import GrantFailed, apply
from diskchain.access.grants.journal import Journal, journal_exists
from diskchain.access.grants.plan import LeftOver, Plan, plan_grant
from diskchain.access.kernel.identity import user_name
from diskchain.actions.access import Question, question
from diskchain.cli.options.access import add_access_arguments
from diskchain.cli.options.state import add_state_argument, state_of
from diskchain.cli.options.target import add_target_arguments
from diskchain.errors import UsageError, printable
from diskchain.report.style import Style, style_of
from diskchain.system.process import Holder, holder_of

EXAMPLE = """\
examples:
  diskchain grant /images/top.qcow2 --as libvirt-qemu --for commit
  diskchain grant -c qemu:///system vm -d vda --for commit --apply
  diskchain revert

Prints a plan. With --apply, each file's original state is in the journal, synced to the disk, before the file is
touched, also of files that only libvirt will change. Nothing is ever granted to everybody. Where a file does not answer,
nothing is changed; when that shows only while changing, what was changed is given back, and the journal keeps the rest
for a later revert.

exit codes: 0 granted (or nothing to do), 1 something stays in the way, 2 usage, 3 could not tell"""

_GRANTED, _IN_THE_WAY, _COULD_NOT_TELL = 0, 1, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``grant``."""
    add_target_arguments(parser)
    add_access_arguments(parser)
    parser.add_argument(
        "--allow",
        action="append",
        choices=("mode", "owner"),
        default=[],
        help="besides ACL entries: change permission bits, or the owner; repeatable",
    )
    parser.add_argument("--apply", action="store_true", help="do it, and remember how it was")
    parser.add_argument(
        "--while",
        dest="holder",
        metavar="PID",
        type=int,
        help="a revert of all jobs leaves this one alone while process PID lives (default: the domain's QEMU)",
    )
    add_state_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Plan, print, perhaps apply."""
    asked = question(args)
    directory = state_of(args)
    if not args.apply:
        holds = []
        if journal_exists(directory):
            with Journal(directory) as journal:
                holds = journal.holds()
        plan = _plan(asked, args, holds)
        _print(plan, style_of(sys.stdout, environ=dict(os.environ)))
        return _code(plan, asked)
    holder = _holder(args, asked)
    with Journal(directory) as journal:
        plan = _plan(asked, args, journal.holds())
        _print(plan, style_of(sys.stdout, environ=dict(os.environ)))
        if not plan.complete:
            print("nothing was changed")
            return _code(plan, asked)
        try:
            granted = apply(
                plan, journal, target=asked.target, operation=_operation(args), holder=holder, seconds=args.timeout
            )
        except GrantFailed as error:
            for outcome in error.given_back:
                print(f"{printable(outcome.path)}: {outcome.result}", file=sys.stderr)
            kept = next((outcome.job for outcome in error.given_back if not outcome.done), None)
            if kept is not None:
                print(f"the journal keeps it; give it back with: diskchain revert {kept}", file=sys.stderr)
            raise
    print(f"job {granted.job.id}: {len(granted.changed)} changed, {len(granted.recorded)} taken down as they are")
    if asked.running and asked.domain is not None:
        print("the domain runs: its backing files belong to its user already, and whose they were before is not noted")
    print(f"give it back with: diskchain revert {granted.job.id}")
    return _code(plan, asked)


def _plan(asked: Question, args: argparse.Namespace, holds: list) -> Plan:  # type: ignore[type-arg]
    accesses = [access for subject in asked.subjects for access in asked.answer(subject, without=holds)]
    return plan_grant(accesses, asked.who, allowed=frozenset({"acl", *args.allow}))


def _operation(args: argparse.Namespace) -> str:
    """The operation and its layers in words: two commits of one disk into different layers are two jobs."""
    parts = [f"{name} {value}" for name in ("top", "base", "layer", "to") if (value := getattr(args, name)) is not None]
    return " ".join([args.operation, *parts])


def _holder(args: argparse.Namespace, asked: Question) -> Holder | None:
    if args.holder is None:
        return None if asked.process is None else holder_of(asked.process)
    holder = holder_of(args.holder)
    if holder is None:
        raise UsageError(f"there is no process {args.holder}")
    return holder


def _print(plan: Plan, style: Style) -> None:
    for step in plan.steps:
        if step.changes:
            print(style.bold(printable(step.path)))
            print(f"    why: {'; '.join(map(printable, step.because))}")
            print(f"    do: {printable(step.command or '')}")
    unchanged = [step for step in plan.steps if not step.changes]
    for step in unchanged:
        print(f"{style.dim(printable(step.path))}: nothing to change")
    for rest in plan.left:
        _print_rest(rest, style)
    if plan.complete and not plan.changing:
        print(f"{user_name(plan.who.uid)} may do this already")


def _print_rest(rest: LeftOver, style: Style) -> None:
    label = style.paint("may be in the way:" if rest.unknown else "in the way:", "33")
    print(f"{label} {printable(rest.reason)}")
    if rest.command:
        print(f"    decide on: {printable(rest.command)}")


def _code(plan: Plan, asked: Question) -> int:
    if any(not rest.unknown for rest in plan.left):
        return _IN_THE_WAY
    known = all(subject.complete for subject in asked.subjects) and not plan.left
    return _GRANTED if known else _COULD_NOT_TELL
