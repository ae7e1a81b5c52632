"""TARGET as a libvirt document or a live domain: its disks, each with its declared source.

Imported only when the target is no image: lxml takes longer to import than most images take to read.
"""

from diskchain.cli.target import Target
from diskchain.errors import UsageError
from diskchain.guest.disk import Disk
from diskchain.libvirtxml import parse_disks
from diskchain.storage.location import local_path
from diskchain.storage.source import Source, layers


def document_targets(text: bytes, origin: str, wanted: str | None) -> list[Target]:
    """The disks of a document, or the one disk or layer ``wanted``.

    Raises XmlError, and UsageError when the document has no such disk.
    """
    disks = [disk for disk in parse_disks(text, origin=origin) if not disk.is_empty]
    if wanted is None:
        return [Target(disk.target.dev or "disk", disk.source) for disk in disks]
    return [_select(disks, wanted)]


def _select(disks: list[Disk], wanted: str) -> Target:
    name, bracket, number = wanted.partition("[")
    for disk in disks:
        if disk.target.dev == name and bracket:
            return Target(wanted, _layer_numbered(disk, wanted, number))
        if disk.target.dev == wanted:
            return Target(wanted, disk.source)
    for disk in disks:
        for layer in layers(disk.source):
            if local_path(layer.location) == wanted:
                return Target(wanted, layer)
    known = ", ".join(disk.target.dev or "?" for disk in disks) or "none"
    raise UsageError(f"no disk or layer is called {wanted}: the disks are {known}")


def _layer_numbered(disk: Disk, wanted: str, number: str) -> Source:
    """The layer with libvirt's index; without indexes (no live domain), the layer that many below the top."""
    digits = number.removesuffix("]")
    if not number.endswith("]") or not digits.isascii() or not digits.isdigit():
        raise UsageError(f"{wanted}: a layer is written like vda[2]")
    chain = list(layers(disk.source))
    if any(layer.chain_index is not None for layer in chain):
        for layer in chain:
            if layer.chain_index == int(digits):
                return layer
    elif int(digits) < len(chain):
        return chain[int(digits)]
    raise UsageError(f"{wanted}: the document declares no such layer")
