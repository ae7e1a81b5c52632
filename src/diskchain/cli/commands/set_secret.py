"""``diskchain set-secret``: write into a document which libvirt secret opens a layer; every other byte stays."""

import argparse
import os
import sys
from dataclasses import replace

from diskchain.actions.read_document import read_document
from diskchain.errors import UsageError
from diskchain.storage.auth import SecretReference
from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.source import layers

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
    from diskchain.libvirtxml.edit.set_secret import set_encryption
    from diskchain.report.findings import finding_lines
    from diskchain.report.style import style_of
    from diskchain.system.atomic_write import replace_file, state_of, write_file

    if args.in_place and args.document == "-":
        raise UsageError("stdin cannot be changed in place; leave out --in-place or use -o")
    seen = state_of(args.document) if args.in_place else None
    document = read_document(args.document)
    disk, layer, old = _find(document, args)
    if old is not None and len(old.secrets) > 1:
        raise UsageError(
            f"{args.layer} is encrypted {len(old.secrets)} times over, each with a secret of its own; one would replace them all"
        )
    reference = SecretReference("passphrase", uuid=_uuid(args.uuid), usage=args.usage)
    encryption = replace(old or Encryption(EncryptionFormat.LUKS), secrets=(reference,))
    if args.format is not None:
        encryption = replace(encryption, format=EncryptionFormat(args.format))
    edited = set_encryption(document, disk, layer, encryption, args.document)
    if seen is not None:
        others = replace_file(args.document, edited, seen)
        if others:
            style = style_of(sys.stderr, environ=dict(os.environ))
            print("\n".join(finding_lines(hard_links(args.document, others), style)), file=sys.stderr)
    else:
        write_file(args.output, edited)
    return 0


def _uuid(text: str | None) -> str | None:
    if text is None:
        return None
    import uuid

    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise UsageError("--uuid takes a UUID, such as virsh secret-list shows") from None


def _find(document: bytes, args: argparse.Namespace) -> tuple[int, int, Encryption | None]:
    """Number of the disk in document order, number of the layer from the top, and what it says of encryption."""
    from diskchain.actions.numbering import layer_names
    from diskchain.libvirtxml.edit.completion import declared_disks

    known: list[str] = []
    for number, disk in enumerate(declared_disks(document, args.document)):
        if disk.is_empty:
            continue
        names = layer_names(disk.target.dev, disk.source)
        for position, (layer, called) in enumerate(zip(layers(disk.source), names, strict=True)):
            if args.layer in called:
                return number, position, layer.encryption
            known.append(called[0])
    raise UsageError(f"the document has no layer called {args.layer}; it has {', '.join(known) or 'none'}")
