"""``diskchain resume``: carry on with jobs that were paused, stopped or killed."""

import argparse
import os
import sys

from diskchain.actions.adopt import adopt
from diskchain.actions.jobs import open_jobs, resume
from diskchain.actions.target import TargetName
from diskchain.cli.options.jobs import add_running_arguments, print_events, stop_by_signals
from diskchain.cli.options.secrets import add_secret_arguments, key_places
from diskchain.cli.options.state import state_of
from diskchain.errors import UsageError
from diskchain.report.exit_codes import CLEAN
from diskchain.report.findings import exit_code
from diskchain.report.jobs import adopt_lines
from diskchain.report.style import style_of

EXAMPLE = """\
examples:
  diskchain resume
  diskchain resume 3
  diskchain resume --adopt vm.xml -d vda

Without a JOB: all that no process works on. What is done is decided by what is on the disk: headers, files, processes and
the journal. Files that are not as the job left them make it undecidable; then nothing is changed and nothing deleted.

With --adopt nothing is changed: of a chain that another tool was merging (virsh, qemu-img, a product), it is said which file
holds what the disk shall read as, by comparing them, and what is safe; or that the files do not tell.

exit codes: 0 done, or nothing to do; 1 stopped, with findings; 2 usage; 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``resume``."""
    parser.add_argument(
        "job", metavar="JOB", nargs="*", type=int, help="number of a job (default: all unfinished ones)"
    )
    parser.add_argument(
        "--adopt", metavar="TARGET", help="say which file is right where another tool's merge was cut off"
    )
    parser.add_argument(
        "-c", "--connect", metavar="URI", help="with --adopt: TARGET is a domain of this libvirt connection"
    )
    parser.add_argument("-d", "--disk", metavar="DISK", action="append", default=[], help="with --adopt: this disk")
    parser.add_argument(
        "--search",
        metavar="DIR",
        action="append",
        default=[],
        help="with --adopt: look in DIR and all below it for other leaves; repeatable",
    )
    add_secret_arguments(parser)
    add_running_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Carry on, one job after the other; or say what another tool left."""
    if args.adopt is not None:
        if args.job:
            raise UsageError("--adopt is about a chain, and takes no job")
        return _adopt(args)
    state, stop = state_of(args), stop_by_signals()
    code = CLEAN
    for number in args.job or open_jobs(state):
        code = max(code, print_events(args, resume(number, state, stop, key_places(args)), stop).code)
        if stop():
            break
    return code


def _adopt(args: argparse.Namespace) -> int:
    name = TargetName(args.adopt, args.connect, timeout=args.timeout)
    found = adopt(name, args.disk, search_below=args.search)
    if args.json:
        from diskchain.schema import adopt_document, to_json

        print(to_json(adopt_document(args.adopt, found.findings, found.searched)))
    else:
        for line in adopt_lines(found.findings, found.searched, style_of(sys.stdout, environ=dict(os.environ))):
            print(line)
    return exit_code(found.findings)
