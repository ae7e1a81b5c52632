"""``diskchain secrets``: which layer needs which key, whether it is to be had here, and whether it opens the layer."""

import argparse
import os
import sys
from typing import Final

from diskchain.actions.chains import Examined, examine_one
from diskchain.actions.secrets import KeyRow, needed_keys
from diskchain.actions.try_key import NO
from diskchain.cli.options.places import add_places_arguments, with_places
from diskchain.cli.options.remote import add_timeout_argument, reader_for
from diskchain.cli.options.secrets import add_secret_arguments, key_places
from diskchain.cli.options.target import add_target_arguments, settings_of, target_name, wanted_disks
from diskchain.errors import printable
from diskchain.report.findings import code_of, finding_lines
from diskchain.report.style import style_of

EXAMPLE = """\
examples:
  diskchain secrets vm.xml --secrets-from qemu:///system
  diskchain secrets -c qemu:///system vm --try
  diskchain secrets image.qcow2 --secret image.qcow2=file:/etc/keys/image --try

--try opens each layer, read-only and alone, in a qemu-storage-daemon; LUKS2, which QEMU does not know, it tries by itself. No key is
ever printed.

exit codes: 0 clean, 1 a key is missing or wrong, 2 usage, 3 could not tell"""

_COLUMNS: Final = ("layer", "kind", "cipher", "slots", "secret", "found", "opens")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``secrets``."""
    add_target_arguments(parser)
    add_places_arguments(parser)
    add_secret_arguments(parser)
    parser.add_argument("--try", dest="attempt", action="store_true", help="find out whether each key opens its layer")
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/secrets/1)")
    add_timeout_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Look, perhaps try, and print."""
    with reader_for(args) as reader:
        settings = with_places(args, settings_of(args, reader))._replace(rights=False, as_opened=True)
        target = examine_one(target_name(args), settings)
    found = needed_keys(target, key_places(args), wanted_disks(args), attempt=args.attempt, seconds=args.timeout)
    if args.json:
        from diskchain.schema import secrets_document, to_json

        print(to_json(secrets_document(args.target, found.rows)))
    else:
        _print_table(found.rows)
        lacking = frozenset(row.layer for row in found.rows if row.found == NO)
        if args.connect is not None and lacking:
            _print_cures(args.connect, target, lacking)
    return code_of(found.verdict)


def _print_cures(uri: str, target: Examined, lacking: frozenset[str]) -> None:
    """What to do about keys that libvirt does not have."""
    from diskchain.actions.secret_findings import cures

    style = style_of(sys.stdout, environ=dict(os.environ))
    for found in cures(uri, target.disks, lacking):
        print("\n".join(finding_lines(found, style)))


def _print_table(rows: tuple[KeyRow, ...]) -> None:
    if not rows:
        print("no layer needs a key")
        return
    style = style_of(sys.stdout, environ=dict(os.environ))
    cells = [_COLUMNS, *[tuple(printable(getattr(row, column)) for column in _COLUMNS) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_COLUMNS))]
    for number, row in enumerate(cells):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        print(style.bold(line) if number == 0 else line)
