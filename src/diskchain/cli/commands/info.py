"""``diskchain info``: everything one header says. Follows nothing it names."""

import argparse
from typing import TYPE_CHECKING

from diskchain.errors import ImageError, StorageError, UsageError
from diskchain.image.header import ImageHeader
from diskchain.image.inspect import inspect
from diskchain.image.window import Window
from diskchain.readers.file_facts import ImageFacts
from diskchain.readers.local import open_local
from diskchain.storage.terms import Format, StorageType
from diskchain.system.deadline import DEFAULT_DEADLINE, within

if TYPE_CHECKING:
    from diskchain.image.raw_content import Content

EXAMPLE = """\
examples:
  diskchain info disk.qcow2
  diskchain info -f vmdk --json disk.vmdk

Nothing the header names is opened. Without -f the format is guessed: as libvirt and QEMU would, or with --untrusted
refusing whatever looks like more than one format.

exit codes: 0 read, 1 the image is not what it should be, 2 usage, 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``info``."""
    parser.add_argument("image", metavar="IMAGE", help="a file or block device")
    parser.add_argument(
        "-f", "--format", metavar="FORMAT", choices=[str(f) for f in Format], help="read it as this format"
    )
    parser.add_argument(
        "--untrusted", action="store_true", help="refuse an image that could be taken for several formats"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/info/1)")


def run(args: argparse.Namespace) -> int:
    """Read and print."""
    header, facts, content = within(DEFAULT_DEADLINE, args.image, lambda: _read(args))
    if args.json:
        from diskchain.schema import info_document, to_json

        print(to_json(info_document(args.image, header, facts, content, guessed=args.format is None)))
        return 0
    from diskchain.report.header import header_lines

    for line in header_lines(args.image, header, facts, content, guessed=args.format is None):
        print(line)
    return 0


def _read(args: argparse.Namespace) -> tuple[ImageHeader, ImageFacts, "Content | None"]:
    with open_local(args.image) as image:
        if image.facts.type is StorageType.DIR:
            raise UsageError(f"{args.image} is a directory, not an image")
        window = image.window()
        if args.format is not None:
            format = Format(args.format)
        else:
            from diskchain.image.probe import guess_alone, probe, starts_with_luks

            format = probe(window, "untrusted") if args.untrusted else guess_alone(window, args.image)
            if format is Format.RAW and starts_with_luks(window):
                format = Format.LUKS
        try:
            header = inspect(window, format, full=True)
            return header, image.facts, _content(image.window()) if format is Format.RAW else None
        except ImageError as error:
            raise ImageError(f"{args.image}: {error}") from error


def _content(image: Window) -> "Content | None":
    """What a raw image holds, which changes nothing about its being raw; None where the disk cannot be read."""
    from diskchain.image.raw_content import examine

    try:
        return examine(image)
    except StorageError:
        return None
