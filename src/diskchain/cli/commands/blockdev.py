"""``diskchain blockdev``: the -blockdev list QEMU gets for a disk, with every secret named and none shown."""

import argparse
import os
import shlex
import sys
from typing import TYPE_CHECKING

from diskchain.actions.blockdev_list import ListedDisk, list_nodes
from diskchain.actions.chains import examine_one
from diskchain.behaviours import UNKNOWN, nodes_profile
from diskchain.cli.options.findings import add_findings_arguments, selection_of
from diskchain.cli.options.places import add_places_arguments, with_places
from diskchain.cli.options.remote import add_timeout_argument, reader_for
from diskchain.cli.options.secrets import add_secret_arguments, key_places
from diskchain.cli.options.target import add_target_arguments, settings_of, target_name, wanted_disks
from diskchain.qemu.policy import LIBVIRT_11, PROFILES, QSD, profile_named
from diskchain.report.findings import exit_code, shown_lines
from diskchain.report.style import style_of
from diskchain.system.terminal import shown_json

if TYPE_CHECKING:
    from diskchain.schema.blockdev import BlockdevDiskDocument

EXAMPLE = """\
examples:
  diskchain blockdev vm.xml -d vda
  diskchain blockdev vm.xml --declared --profile libvirt-9
  diskchain blockdev image.qcow2 --as qsd --secrets file --secret image.qcow2=file:/etc/keys/image

A secret is an object with a file: with --secrets file the one --secret names, else a word that says which key belongs there.

exit codes: 0 clean, 1 findings, 2 usage, 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``blockdev``."""
    add_target_arguments(parser)
    add_places_arguments(parser, evidence=False)
    add_secret_arguments(parser)
    parser.add_argument(
        "--secrets",
        choices=("placeholder", "file"),
        default="placeholder",
        help="what a secret object refers to (default: %(default)s)",
    )
    parser.add_argument(
        "--as",
        dest="form",
        choices=("qemu", "qsd", "json"),
        default="qemu",
        help="arguments of QEMU, arguments of qemu-storage-daemon, or a JSON document (default: %(default)s)",
    )
    parser.add_argument(
        "--profile",
        metavar="PROFILE",
        help=f"whose nodes: {', '.join(PROFILES)}, or by versions, libvirt-11.3-qemu-10 (default: with -c what the domain has; "
        f"{QSD.name}, all of them read-only, with --as qsd; else {LIBVIRT_11.name})",
    )
    parser.add_argument("--declared", action="store_true", help="only what TARGET says itself: look at no image")
    parser.add_argument("--json", dest="form", action="store_const", const="json", help="the same as --as json")
    add_findings_arguments(parser)
    add_timeout_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Build and print."""
    profile = profile_named(args.profile or QSD.name) if args.profile or args.form == "qsd" else None
    with reader_for(args) as reader:
        settings = with_places(args, settings_of(args, reader))
        settings = settings._replace(declared=args.declared, rights=False, as_opened=True)
        target = examine_one(target_name(args), settings)
    profile = profile or PROFILES[nodes_profile(target.versions or UNKNOWN)]
    found = list_nodes(
        target, profile, wanted_disks(args), keys=key_places(args), secrets=args.secrets, seconds=args.timeout
    )
    selection = selection_of(args, whole=args.form == "json")
    said = [*filter(selection.shows, found.findings)]
    if args.form == "json":
        from diskchain.schema import blockdev_document, to_json

        print(to_json(blockdev_document(args.target, map(_disk_document, found.disks), said)))
    else:
        dashes = "--" if args.form == "qsd" else "-"
        print(" \\\n".join(line for disk in found.disks for line in _lines(disk, dashes)))
    style = style_of(sys.stderr, environ=dict(os.environ))
    for line in shown_lines(said if args.form != "json" else (), style, selection):
        print(line, file=sys.stderr)
    return exit_code(said)


def _lines(disk: ListedDisk, dashes: str) -> list[str]:
    words = disk.arguments(dashes)
    return [f"{option} {shlex.quote(shown_json(value))}" for option, value in zip(words[::2], words[1::2], strict=True)]


def _disk_document(disk: ListedDisk) -> "BlockdevDiskDocument":
    from diskchain.schema import blockdev_disk_document

    properties = {id(item): found for item, (_, found) in zip(disk.nodes.emission.items, disk.items, strict=True)}
    return blockdev_disk_document(
        disk.disk, disk.nodes.chain.names, disk.nodes.emission, lambda item: properties[id(item)]
    )
