"""``diskchain check``: every finding about images, documents and domains; for people, programs and code scanners."""

import argparse
import os
import sys
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Final

from diskchain.actions.chains import DEPTH_WARNING
from diskchain.actions.check import TargetReport, check, domains_of
from diskchain.behaviours import versions_named
from diskchain.cli.options.findings import add_findings_arguments, selection_of
from diskchain.cli.options.places import add_places_arguments, places_line, with_places
from diskchain.cli.options.remote import add_remote_arguments, reader_for
from diskchain.cli.options.target import (
    add_directory_argument,
    add_policy_argument,
    add_target_arguments,
    settings_of,
    target_names,
    wanted_disks,
)
from diskchain.cli.progress import Progress
from diskchain.discover.batch import collect_rarely
from diskchain.errors import UsageError
from diskchain.findings import KINDS
from diskchain.report.check import CheckCode, CheckScreen, worst_first
from diskchain.report.selection import Selection
from diskchain.report.style import style_of
from diskchain.versions import Versions

if TYPE_CHECKING:
    from diskchain.schema.check import TargetDocument

EXAMPLE = """\
examples:
  diskchain check vm.xml
  diskchain check --policy upload upload.qcow2
  diskchain check top.qcow2 --search /var/lib/libvirt/images
  diskchain check --sarif *.xml > findings.sarif
  diskchain check -c qemu:///system --ignore world-writable-base
  diskchain check --deep vm.xml
  diskchain check /var/lib/libvirt/images /etc/libvirt/qemu

A directory means every image and document below it; what is neither is counted. Symlinks in it are not followed.

With -c and no TARGET: all domains of the host, worst first, and rights on their files that nobody needs any more.
Of several targets those that are clean are only counted; -v names them. Notes never count as findings.

exit codes: 0 clean, 1 findings, 2 usage, 3 could not tell"""

#: Seconds between two times that what was printed so far goes out.
_BETWEEN: Final = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``check``."""
    add_target_arguments(parser, several=True, directory=True)
    add_remote_arguments(parser)
    add_policy_argument(parser)
    parser.add_argument(
        "--profile",
        metavar="PROFILE",
        default="qemu",
        help="whose rules a document must keep: generic, any hypervisor's; qemu, QEMU's too (default); or QEMU's, and what is said of "
        "libvirt and QEMU holds for these versions: libvirt-11-qemu-10",
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
    parser.add_argument(
        "--deep",
        action="store_true",
        help="also read the tables of every layer, and compare them with each other; needs numpy",
    )
    add_directory_argument(parser)
    add_findings_arguments(parser, verbose="show notes, too, and name targets that are clean")
    add_places_arguments(parser)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/check/1)")
    output.add_argument("--sarif", action="store_true", help="print a SARIF 2.1.0 log")


def run(args: argparse.Namespace) -> int:
    """Look, print, and say how bad it is."""
    collect_rarely()
    if not args.target and args.connect is None:
        raise UsageError("check what? Name images or documents, or a connection with -c")
    names = list(dict.fromkeys(args.target)) or domains_of(args.connect)
    host = args.connect if not args.target else None
    profile, versions = _profile(args.profile)
    selection = selection_of(args, whole=args.json or args.sarif)
    code = CheckCode(selection)
    with reader_for(args) as reader, Progress() as progress:
        settings = with_places(args, settings_of(args, reader))._replace(
            profile=profile, versions=versions, depth_warning=args.depth, search=tuple(args.search)
        )
        if settings.places is not None and args.search:
            raise UsageError("--search does not go with --root or --map: say with these where things lie")
        targets = target_names(args, names)
        reports = check(targets, wanted_disks(args), settings, host=host, tell=progress.tell, deep=args.deep)
        screen = CheckScreen(
            selection,
            style_of(sys.stdout, environ=dict(os.environ)),
            host=host,
            only=names[0] if len(names) == 1 else None,
        )
        _print(args, code.counting(reports), selection, screen)
        if (closing := places_line(settings)) is not None and not (args.json or args.sarif):
            print(closing)
        if reader is not None and (problem := reader.keys.misfit()) is not None:
            print(f"diskchain: warning: {problem}", file=sys.stderr)
    return code.code


def _profile(name: str) -> tuple[str, Versions | None]:
    """Whose rules, and of which versions. Raises UsageError."""
    if name in ("generic", "qemu"):
        return name, None
    return "qemu", versions_named(name)


def _print(
    args: argparse.Namespace, reports: Iterator[TargetReport], selection: Selection, screen: CheckScreen
) -> None:
    if args.json:
        from diskchain.schema.check import check_json

        print(check_json(_document(each, selection) for each in reports))
    elif args.sarif:
        from diskchain.report.sarif import sarif

        pairs = [(each.name, found) for each in reports for found in each.findings if selection.matters(found)]
        print(sarif(pairs, {id: kind.title for id, kind in KINDS.items()}, selection.ignored))
    else:
        shown = monotonic()
        for each in reports if screen.host is None else worst_first(reports, selection):
            for line in screen.lines(each):
                print(line)
            if (now := monotonic()) - shown > _BETWEEN:  # into a pipe or a file, too
                sys.stdout.flush()
                shown = now
        for line in screen.closing_lines():
            print(line)


def _document(report: TargetReport, selection: Selection) -> "TargetDocument":
    from diskchain.schema.check import WalkedDocument, target_document

    walked = report.walked
    below = None
    if walked is not None:
        below = WalkedDocument(walked.images, walked.documents, walked.unread, dict(walked.passed_over))
    ignored = selection.counts(report.findings).ignored
    return target_document(report.name, filter(selection.shows, report.findings), below, ignored)
