"""``diskchain revert``: gives back what ``diskchain grant --apply`` granted, exactly as it was."""

import argparse
import time

from diskchain.access.grants.journal import Journal, journal_exists
from diskchain.access.grants.revert import revert
from diskchain.access.grants.revert_rules import Result, Urgency
from diskchain.access.kernel.identity import user_name
from diskchain.cli.options.remote import add_timeout_argument
from diskchain.cli.options.state import add_state_argument, state_of
from diskchain.errors import UsageError, printable

EXAMPLE = """\
examples:
  diskchain revert --list
  diskchain revert
  diskchain revert 3

Without a JOB: every job whose process no longer lives, and of these the files nobody has open. With JOB, that job is
taken to be over. Owner, mode, ACL and security attributes are put back; the change time (ctime) cannot be. The access
and modification times are what reads and writes made them, unless --times: a merged base was written to, and backup
programs go by that.

exit codes: 0 given back, 1 something was kept or refused, 2 usage, 3 the journal cannot be used, or a file
did not answer: the journal keeps it"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``revert``."""
    parser.add_argument("job", metavar="JOB", nargs="*", type=int, help="number of a job (default: all that are over)")
    parser.add_argument("--list", action="store_true", help="only show the jobs and what they hold")
    parser.add_argument("--times", action="store_true", help="put access and modification times back, too")
    parser.add_argument(
        "--force", action="store_true", help="also what is in use, and what somebody else changed meanwhile"
    )
    parser.add_argument(
        "--forget",
        action="store_true",
        help="drop from the journal what cannot be given back; its files stay as they are",
    )
    add_timeout_argument(parser)
    add_state_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Give back and say what became of each file."""
    directory = state_of(args)
    if not journal_exists(directory) and not args.job:
        print("nothing is granted")
        return 0
    with Journal(directory) as journal:
        jobs = journal.jobs()
        unknown = sorted(set(args.job) - {job.id for job in jobs})
        if unknown:
            raise UsageError(
                f"there is no job {unknown[0]}; the jobs are: {', '.join(str(job.id) for job in jobs) or 'none'}"
            )
        if args.list:
            _list(journal, args.job)
            return 0
        urgency = Urgency(over=bool(args.job), force=args.force, times=args.times)
        outcomes = revert(journal, args.job or None, urgency, forget=args.forget, seconds=args.timeout)
        left = journal.jobs()
    for outcome in outcomes:
        reason = f": {printable(outcome.reason)}" if outcome.reason else ""
        print(f"job {outcome.job}: {printable(outcome.path)}: {outcome.result}{reason}")
    untouched = {job.id for job in left} - {outcome.job for outcome in outcomes}
    for id in sorted(untouched):
        print(f"job {id}: its process still runs; left alone")
    if not outcomes and not untouched:
        print("nothing is granted")
    left_over = {outcome.result for outcome in outcomes if not outcome.done}
    return 3 if left_over == {Result.SILENT} else 1 if left_over else 0


def _list(journal: Journal, chosen: list[int]) -> None:
    jobs = [job for job in journal.jobs() if not chosen or job.id in chosen]
    for job in jobs:
        created = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.created))
        state = "running" if job.holder is not None and job.holder.alive() else "over or unknown"
        print(
            f"job {job.id}: {printable(job.operation)} of {printable(job.target)} by {user_name(job.uid)}, since {created},"
            f" {state}"
        )
        for hold in journal.holds(job.id):
            changes = ", ".join(_change(change) for change in hold.changes) or "taken down as it was"
            print(f"  {printable(hold.file.path)}: {changes} ({hold.phase})")
    if not jobs:
        print("nothing is granted")


def _change(change: object) -> str:
    from diskchain.access.grants.changes import AddEntry, AddMode, SetOwner
    from diskchain.system.posix_acl import show_permission

    if isinstance(change, AddEntry):
        return f"u:{user_name(change.uid)}:{show_permission(change.perm)}"
    if isinstance(change, AddMode):
        return f"mode +{change.bits:o}"
    return f"owner {user_name(change.uid)}" if isinstance(change, SetOwner) else ""
