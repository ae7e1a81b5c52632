"""``diskchain show``: the chain as a tree, top first, or as JSON."""

import os
import sys
from typing import TYPE_CHECKING

from diskchain.actions.show import show
from diskchain.cli.options.findings import add_findings_arguments, selection_of
from diskchain.cli.options.places import add_places_arguments, places_line, with_places
from diskchain.cli.options.remote import add_remote_arguments, reader_for
from diskchain.cli.options.target import (
    add_directory_argument,
    add_policy_argument,
    add_target_arguments,
    settings_of,
    target_name,
    wanted_disks,
)
from diskchain.errors import IsDirectory, UsageError
from diskchain.report.findings import exit_code

if TYPE_CHECKING:
    import argparse

EXAMPLE = """\
examples:
  diskchain show /var/lib/libvirt/images/vm.qcow2
  diskchain show vm.xml -d vda --json
  virsh dumpxml vm | diskchain show -
  diskchain show -c qemu:///system vm
  diskchain show -c qemu:///system
  diskchain show /var/lib/libvirt/images

Of a directory: all images below it, each under the one it stands on. With -c and no TARGET: the same of all domains.

exit codes: 0 clean, 1 findings, 2 usage, 3 could not tell"""


def add_arguments(parser: "argparse.ArgumentParser") -> None:
    """Options of ``show``."""
    add_target_arguments(parser, directory=True, optional=True)
    add_remote_arguments(parser)
    add_findings_arguments(parser, verbose="all that is known of each layer, and notes, too")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print a JSON document (schema diskchain/chain/1; of a directory, diskchain/forest/1)",
    )
    add_policy_argument(parser)
    add_directory_argument(parser)
    add_places_arguments(parser)


def run(args: "argparse.Namespace") -> int:
    """Look and print."""
    if args.target is None and args.connect is None:
        raise UsageError("show what? Name an image, a document or a directory, or a connection with -c")
    selection = selection_of(args, whole=args.json)
    with reader_for(args) as reader:
        settings = with_places(args, settings_of(args, reader))
        if args.target is None:
            from diskchain.cli.options.forest import show_domains

            return show_domains(args, settings, selection)
        try:
            found = show(target_name(args), wanted_disks(args), settings)
        except IsDirectory:
            if args.connect or args.format or args.disk:
                raise
            from diskchain.cli.options.forest import show_forest

            return show_forest(args, settings, selection)
        if reader is not None:
            reader.keys.check_fit()
    if args.json:
        from diskchain.checks.annotate import kept
        from diskchain.schema import ChainDocument, disk_document, finding_document, to_json

        disks = tuple(
            disk_document(
                disk.title,
                kept(disk.chain, selection.shows),
                disk.first,
                names=[name.shown for name in disk.names[disk.first :]],
                disk=disk.name if disk.target.attached else None,
                opened=disk.opened if disk.places is not None else None,
            )
            for disk in found.disks
        )
        said = tuple(map(finding_document, filter(selection.shows, found.said)))
        print(to_json(ChainDocument(target=args.target, disks=disks, findings=said)))
    else:
        from diskchain.report.style import style_of
        from diskchain.report.tree import target_lines

        style = style_of(sys.stdout, environ=dict(os.environ))
        for line in target_lines(found, selection, style, long=args.verbose):
            print(line)
        if (closing := places_line(settings)) is not None:
            print(closing)
    return exit_code(filter(selection.shows, found.findings))
