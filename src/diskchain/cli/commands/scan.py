"""``diskchain scan``: what a host has, as JSON lines or straight into a catalogue."""

import argparse
import sys
from typing import TYPE_CHECKING

from diskchain.cli.options.catalogue import add_database_argument, url_of
from diskchain.cli.options.remote import add_timeout_argument
from diskchain.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diskchain.scan.directories import Shard
    from diskchain.schema.scan import ScanLine

EXAMPLE = """\
examples:
  diskchain scan /var/lib/libvirt/images -c qemu:///system --load
  diskchain scan /srv/vms --db postgresql:///chains
  diskchain scan /srv/vms > kvm1.jsonl

Reads headers, and opens nothing that they name. Without --db or --load it prints JSON lines (schema diskchain/scan/1), which
diskchain catalogue load takes. A file that the catalogue knows and that was not written since is not read again.

exit codes: 0 all was seen, 2 usage, 3 some of it could not be seen, 130 interrupted: what was seen counts, marked partial"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scan``."""
    parser.add_argument("directories", metavar="DIR", nargs="*", help="a directory, with all below it")
    parser.add_argument("-c", "--connect", metavar="URI", help="and the domains of this libvirt connection")
    parser.add_argument("--load", action="store_true", help="load it into the catalogue in the state directory")
    parser.add_argument("--one-file-system", action="store_true", help="do not enter what is mounted below DIR")
    parser.add_argument("--shard", metavar="K/N", type=_shard, help="only part K of N, the same files every time")
    add_database_argument(parser)
    add_timeout_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Scan, and print or load."""
    from diskchain.actions.scan import ScanSettings, scan
    from diskchain.report.exit_codes import CLEAN, COULD_NOT_TELL

    into = args.load or args.db is not None
    before = {}
    if into:
        from diskchain.actions.catalogue import known_files

        before = known_files(url_of(args))
    settings = ScanSettings(
        tuple(args.directories), args.connect, args.one_file_system, args.shard, args.timeout, before
    )
    seen = _Seen()
    lines = seen.over(scan(settings))
    if into:
        _load(args, lines)
    else:
        _print(lines)
    return COULD_NOT_TELL if seen.partial else CLEAN


def _shard(text: str) -> "Shard":
    """A part. Raises ArgumentTypeError."""
    from diskchain.scan.directories import Shard

    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r}: K/N, with K from 1 to N")
    return Shard(int(number), int(of))


class _Seen:
    """Looks at the lines that pass for what could not be seen."""

    def __init__(self) -> None:
        self.partial = False

    def over(self, lines: "Iterator[ScanLine]") -> "Iterator[ScanLine]":
        """The same lines."""
        for line in lines:
            root = line.root
            if root is not None and root.state in ("partial", "failed"):
                self.partial = True
                for path in root.denied:
                    print(f"could not be seen: {printable(path)}", file=sys.stderr)
            yield line


def _print(lines: "Iterator[ScanLine]") -> None:
    from diskchain.schema.scan import line_text

    write = sys.stdout.write
    for line in lines:
        write(line_text(line) + "\n")
    sys.stdout.flush()


def _load(args: argparse.Namespace, lines: "Iterator[ScanLine]") -> None:
    from diskchain.actions.catalogue import load
    from diskchain.report.fleet import loaded_line

    for loaded in load(url_of(args), lines):
        print(loaded_line(loaded))
