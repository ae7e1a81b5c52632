"""``diskchain edit``: write into a document where a layer is or what format it has; every other byte stays."""

import argparse

from diskchain.actions.edit import forget_below, set_layer
from diskchain.cli.options.output import add_output_arguments, write_edited
from diskchain.errors import UsageError
from diskchain.storage.terms import Format

EXAMPLE = """\
examples:
  diskchain edit vm.xml --layer vda --path /srv/vms/disk.qcow2
  diskchain edit vm.xml --layer 'vda[1]' --format qcow2 --in-place
  diskchain edit vm.xml --layer vda --detect --in-place

What image headers say does not change. With --detect libvirt finds what is below the layer by itself, from the headers.

exit codes: 0 written, 2 usage, 3 could not be read"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``edit``."""
    parser.add_argument(
        "document", metavar="DOMAIN.xml", help="a file with <domain>, <domainsnapshot> or <disk>; - for stdin"
    )
    parser.add_argument("--layer", metavar="LAYER", required=True, help="vda, vda[2], or a layer's path")
    parser.add_argument("--path", metavar="PATH", help="where the layer is")
    parser.add_argument("--format", choices=[str(format) for format in Format], help="what format it has")
    parser.add_argument(
        "--detect", action="store_true", help="take out the <backingStore> of the layer, with all below it"
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Edit and write."""
    if args.path is None and args.format is None and not args.detect:
        raise UsageError("edit what? Name --path, --format or --detect")

    def edited(text: bytes) -> bytes:
        if args.path is not None or args.format is not None:
            format = None if args.format is None else Format(args.format)
            text = set_layer(text, args.layer, path=args.path, format=format, origin=args.document)
        return forget_below(text, args.layer, args.document) if args.detect else text

    write_edited(args, edited)
    return 0
