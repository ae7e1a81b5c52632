"""TARGET as a libvirt document: its disks, each with its declared source.

Imported only when the target is no image: lxml takes longer to import than most images take to read.
"""

from collections.abc import Iterable

from diskchain.actions.target import Target
from diskchain.guest.disk import Disk
from diskchain.guest.terms import DiskDevice
from diskchain.libvirtxml.documents.snapshot import SnapshotDisk
from diskchain.libvirtxml.edit.completion import declared_disks
from diskchain.storage.location import FileLocation
from diskchain.storage.terms import Format


def document_targets(text: bytes, origin: str, host: str | None = None) -> list[Target]:
    """The disks of a document that have a medium, in its order. ``host``: the other host they are on. Raises XmlError."""
    return disk_targets(declared_disks(text, origin), host)


def overlay_targets(overlays: Iterable[SnapshotDisk], host: str | None = None) -> list[Target]:
    """The overlays of a snapshot that are named. One that says no format is qcow2, as libvirt makes it."""
    found = []
    for disk in overlays:
        source = disk.source
        if source is not None and not (isinstance(source.location, FileLocation) and not source.location.path):
            found.append(Target(disk.name, source._replace(format=source.format or Format.QCOW2), host=host))
    return found


def disk_targets(disks: Iterable[Disk], host: str | None = None) -> list[Target]:
    """Disks that have a medium, in their order."""
    return [
        Target(
            disk.target.dev or f"disk {number}",
            disk.source,
            host=host,
            attached=True,
            startup_policy=disk.startup_policy,
            drive=disk.device in (DiskDevice.CDROM, DiskDevice.FLOPPY),
            cache=disk.driver.cache,
        )
        for number, disk in enumerate(disks, start=1)
        if not disk.is_empty
    ]
