"""``diskchain set-secret``: write into a document which libvirt secret opens a layer; every other byte stays."""

import argparse
import os
import sys

from diskchain.actions.complete import definition_of
from diskchain.actions.edit import passphrase, set_secret
from diskchain.actions.target import TargetName
from diskchain.errors import UsageError
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
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-o", "--output", metavar="FILE", default="-", help="write there (default: stdout)")
    where.add_argument(
        "--in-place", action="store_true", help="replace DOMAIN.xml, all or nothing; keeps owner, mode, ACL and labels"
    )


def run(args: argparse.Namespace) -> int:
    """Edit and write."""
    from diskchain.discover.messages import hard_links
    from diskchain.report.findings import finding_lines
    from diskchain.report.style import style_of
    from diskchain.system.atomic_write import replace_file, state_of, write_file

    if args.in_place and args.document == "-":
        raise UsageError("stdin cannot be changed in place; leave out --in-place or use -o")
    seen = state_of(args.document) if args.in_place else None
    edited = set_secret(
        definition_of(TargetName(args.document)).text,
        args.layer,
        passphrase(args.uuid, args.usage),
        format=None if args.format is None else EncryptionFormat(args.format),
        origin=args.document,
    )
    if seen is None:
        write_file(args.output, edited)
        return 0
    others = replace_file(args.document, edited, seen)
    if others:
        style = style_of(sys.stderr, environ=dict(os.environ))
        print("\n".join(finding_lines(hard_links(args.document, others), style)), file=sys.stderr)
    return 0
