"""``diskchain info``: everything one header says. Follows nothing it names."""

import argparse

from diskchain.actions.info import read_header
from diskchain.storage.terms import Format

EXAMPLE = """\
examples:
  diskchain info disk.qcow2
  diskchain info -f vmdk --json disk.vmdk
  xz -dc disk.qcow2.xz | diskchain info -

Nothing the header names is opened. Without -f the format is guessed: as libvirt and QEMU would, or with --untrusted
refusing whatever looks like more than one format.

exit codes: 0 read, 1 the image is not what it should be, 2 usage, 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``info``."""
    parser.add_argument("image", metavar="IMAGE", help="a file or block device, a URL or json:{…}, - for stdin")
    parser.add_argument(
        "-f", "--format", metavar="FORMAT", choices=[str(f) for f in Format], help="read it as this format"
    )
    parser.add_argument(
        "--untrusted", action="store_true", help="refuse an image that could be taken for several formats"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/info/1)")


def run(args: argparse.Namespace) -> int:
    """Read and print."""
    format = None if args.format is None else Format(args.format)
    found = read_header(args.image, format, rules="untrusted" if args.untrusted else "libvirt")
    if args.json:
        from diskchain.schema import info_document, to_json

        print(to_json(info_document(args.image, found.header, found.facts, found.content, guessed=found.guessed)))
    else:
        from diskchain.report.header import header_lines

        for line in header_lines(args.image, found.header, found.facts, found.content, guessed=found.guessed):
            print(line)
    return 0
