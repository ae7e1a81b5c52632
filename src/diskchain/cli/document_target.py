"""TARGET as a libvirt document: its disks, each with its declared source.

Imported only when the target is no image: lxml takes longer to import than most images take to read.
"""

from diskchain.cli.target import Target
from diskchain.libvirtxml.completion import declared_disks


def document_targets(text: bytes, origin: str, host: str | None = None) -> list[Target]:
    """The disks of a document that have a medium, in its order. ``host``: the other host they are on. Raises XmlError."""
    return [
        Target(disk.target.dev or f"disk {number}", disk.source, host=host, attached=True)
        for number, disk in enumerate(declared_disks(text, origin), start=1)
        if not disk.is_empty
    ]
