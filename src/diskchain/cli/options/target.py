"""What TARGET on the command line means: an image, a document, or a domain of a libvirt connection; as disks to look at.

Told apart by content: what begins with ``<`` and has a root element we know is a document. ``-`` and ``/dev/fd/N`` are read as
documents, since a pipe is no disk.
"""

from typing import TYPE_CHECKING

from diskchain.actions.target import Target, document_of, image_target
from diskchain.storage.terms import Format
from diskchain.system.deadline import DEFAULT_DEADLINE

if TYPE_CHECKING:
    import argparse


def add_target_arguments(parser: "argparse.ArgumentParser", *, several: bool = False) -> None:
    """TARGET (``several``: any number) and the options that say which part of it is meant."""
    parser.add_argument(
        "target",
        metavar="TARGET",
        nargs="*" if several else None,
        help="an image, a file with <domain>, <domainsnapshot> or <disk>, - for stdin; with -c a domain",
    )
    parser.add_argument(
        "-c", "--connect", metavar="URI", help="TARGET is the name or uuid of a domain of this libvirt connection"
    )
    parser.add_argument(
        "-d", "--disk", metavar="DISK", help="only this disk: vda; or a layer and what is below it: vda[2], or a path"
    )
    parser.add_argument(
        "-f",
        "--format",
        metavar="FORMAT",
        choices=[str(f) for f in Format],
        help="TARGET is an image of this format (default: look)",
    )


def targets(args: "argparse.Namespace") -> list[Target]:
    """The disks that the arguments of :func:`add_target_arguments` mean.

    Of all disks; ``-d`` picks from their chains, in ``selection``. Raises XmlError for a malformed document, StorageError
    when it cannot be read.
    """
    name: str = args.target
    document = document_of(args, name)
    if document is None:
        return [image_target(name, args.format, getattr(args, "timeout", DEFAULT_DEADLINE))]
    from diskchain.actions.document import document_targets

    return document_targets(document.text, name, document.host)
