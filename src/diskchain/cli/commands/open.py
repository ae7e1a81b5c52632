"""``diskchain open``: a chain with all its keys in a qemu-storage-daemon, shown to a command; the images stay untouched."""

import argparse
import os
import sys
from typing import Final

from diskchain.actions.open import OpenChain, Serving, open_chain
from diskchain.cli.options.places import add_places_arguments, with_places
from diskchain.cli.options.remote import add_timeout_argument
from diskchain.cli.options.secrets import add_secret_arguments, key_places
from diskchain.cli.options.target import (
    add_policy_argument,
    add_target_arguments,
    settings_of,
    target_name,
    wanted_disks,
)
from diskchain.errors import PeerError, UsageError
from diskchain.findings import Finding
from diskchain.report.findings import finding_lines
from diskchain.report.style import style_of
from diskchain.system.event_loop import Interrupted, carry_on, interrupt
from diskchain.system.signals import Ending, ended_by_signals
from diskchain.system.supervise import run_beside, serve_beside

#: What follows ``--`` is a command.
TAKES_COMMAND = True
EXAMPLE = """\
examples:
  diskchain open vm.xml -d vda --secret vda[1]=ask -- qemu-img convert -f raw {} -O raw disk.raw
  diskchain open image.qcow2 --fuse /mnt/disk.raw -- fdisk -l /mnt/disk.raw
  diskchain open -c qemu:///system vm -d vda --write-overlay --nbd /tmp/vda.sock

In COMMAND, {} stands for the NBD URI or, with --fuse, the file; DISKCHAIN_URI in its environment is the URI. Without COMMAND the
URI is printed, with --json in a document, and served until Ctrl-C. Nothing is ever written to an image.

exit codes: COMMAND's; without one 0; else 1 findings, 2 usage, 3 could not tell"""

_PLACEHOLDER: Final = "{}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``open``."""
    parser.usage = "diskchain open [options] TARGET [-- COMMAND …]"
    add_target_arguments(parser)
    add_places_arguments(parser, evidence=False)
    add_secret_arguments(parser)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--read-only", action="store_true", help="refuse writes (the default)")
    mode.add_argument(
        "--write-overlay", action="store_true", help="take writes into a temporary overlay, forgotten at the end"
    )
    parser.add_argument("--overlay-dir", metavar="DIR", help="where the overlay is (default: TMPDIR)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--nbd", metavar="SOCKET", help="serve NBD on this unix socket (default: one in TMPDIR)")
    where.add_argument("--fuse", metavar="FILE", help="show the disk as this file, made if there is none")
    add_policy_argument(parser)
    parser.add_argument(
        "--in-use", action="store_true", help="open images that a VM has open, too; what is read may not fit together"
    )
    parser.add_argument(
        "--json", action="store_true", help="without COMMAND: print a JSON document (schema diskchain/open/1)"
    )
    add_timeout_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Open, export, run the command, and tear everything down."""
    if args.json and args.command:
        raise UsageError("--json says where a chain is served; with a COMMAND, standard output is the command's")
    serving = Serving(args.write_overlay, args.overlay_dir, args.nbd, args.fuse, args.in_use)
    with ended_by_signals(interrupt, carry_on) as ending:
        try:
            with open_chain(
                target_name(args),
                wanted_disks(args),
                settings=with_places(args, settings_of(args))._replace(as_opened=True),
                keys=key_places(args),
                serving=serving,
                tell=_tell,
                begin=ending.begin,
                end=ending.hold,
            ) as opened:
                return _serve(args, opened, ending)
        except Interrupted:
            ending.check()
            raise


def _tell(found: Finding) -> None:
    for line in finding_lines(found, style_of(sys.stderr, environ=dict(os.environ))):
        print(line, file=sys.stderr)


def _announced(args: argparse.Namespace, opened: OpenChain) -> str:
    """What says where the chain is served."""
    if not args.json:
        return opened.uri
    from diskchain.schema import open_document, to_json

    return to_json(open_document(target_name(args).name, opened.uri, opened.path, writable=args.write_overlay))


def _serve(args: argparse.Namespace, opened: OpenChain, ending: Ending) -> int:
    """Run the command, or wait for a signal."""
    daemon, guard, words = opened.daemon, opened.guard, args.command
    if words:
        word = opened.path or opened.uri
        command = [each.replace(_PLACEHOLDER, word) for each in words]
        environment = {**os.environ, "DISKCHAIN_URI": opened.uri}
        code = run_beside(daemon.pid, command, environment, before=ending.check, after=guard.process)
        if code is not None:
            return code
    else:

        def announce() -> None:
            ending.check()
            print(_announced(args, opened), flush=True)

        if serve_beside(daemon.pid, announce):
            return 0
    said = daemon.last_words()
    raise PeerError("qemu-storage-daemon ended before its time" + (f": {said}" if said else ""))
