"""``diskchain set-secret``: write into a document which libvirt secret opens a layer; every other byte stays."""

import argparse

from diskchain.actions.edit import passphrase, set_secret
from diskchain.cli.options.output import add_output_arguments, write_edited
from diskchain.storage.encryption import EncryptionFormat

EXAMPLE = """\
examples:
  diskchain set-secret vm.xml --layer vda --uuid 0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f
  diskchain set-secret vm.xml --layer vda[2] --usage base-image --in-place

Only libvirt holds the key itself: virsh secret-define, virsh secret-set-value. Layers a document leaves to detection have to be in it
first: diskchain complete.

exit codes: 0 written, 2 usage, 3 could not be read"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``set-secret``."""
    parser.add_argument(
        "document", metavar="DOMAIN.xml", help="a file with <domain>, <domainsnapshot> or <disk>; - for stdin"
    )
    parser.add_argument("--layer", metavar="LAYER", required=True, help="vda, vda[2], or a layer's path")
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument("--uuid", metavar="UUID", help="the libvirt secret, by its UUID")
    secret.add_argument("--usage", metavar="USAGE", help="the libvirt secret, by its usage")
    parser.add_argument(
        "--format",
        choices=[str(format) for format in EncryptionFormat],
        help="how the layer is encrypted (default: what the document says, else luks)",
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Edit and write."""

    def edited(text: bytes) -> bytes:
        return set_secret(
            text,
            args.layer,
            passphrase(args.uuid, args.usage),
            format=None if args.format is None else EncryptionFormat(args.format),
            origin=args.document,
        )

    write_edited(args, edited)
    return 0
