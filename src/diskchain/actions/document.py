"""A target that is a libvirt document: its disks, each with its declared source, and what is said of the document itself.

Imported only when the target is no image: lxml takes longer to import than most images take to read.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from diskchain.actions.document_view import DocumentView
from diskchain.actions.examined import DiskChain, Settings
from diskchain.actions.read_document import TargetDocument
from diskchain.actions.target import Target
from diskchain.discover.messages import nothing_looked_at, yet_to_be_made
from diskchain.findings import Finding, about
from diskchain.guest.disk import Disk
from diskchain.guest.terms import DiskDevice
from diskchain.libvirtxml.documents.snapshot import SnapshotDisk
from diskchain.libvirtxml.postparse import Profile
from diskchain.libvirtxml.validate.document import check_document
from diskchain.storage.location import FileLocation
from diskchain.storage.terms import Format

if TYPE_CHECKING:
    from diskchain.discover import BackingChain


def read_view(document: TargetDocument, settings: Settings) -> DocumentView:
    """What ``document`` says, by the rules of ``settings.profile``. Raises XmlError for what is malformed or has no disks by its kind."""
    text, domain = document.text, document.domain
    if settings.persistent and domain is not None and domain.inactive is not None:
        text = domain.inactive
    checked = check_document(text, Profile(settings.profile), document.origin)
    targets = disk_targets(checked.disks, document.host)
    is_plan = checked.overlays is not None
    if not targets:
        targets = overlay_targets(checked.overlays or (), document.host)
    said = tuple(found for _, found in checked.findings)
    return DocumentView(
        document,
        text,
        checked.disks,
        checked.numbers,
        checked.count,
        tuple(targets),
        said,
        is_plan,
        checked.guest,
        checked.kind,
    )


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
            disk_name(disk, number),
            disk.source,
            host=host,
            attached=True,
            startup_policy=disk.startup_policy,
            drive=disk.device in (DiskDevice.CDROM, DiskDevice.FLOPPY),
            cache=disk.driver.cache,
            kept=disk.kept if disk.kept is not disk.source else None,
        )
        for number, disk in enumerate(disks)
        if not disk.is_empty
    ]


def disk_name(disk: Disk, number: int) -> str:
    """What a disk is called: its target, else its number among the disks of the document, which counts from 0 here and from 1 there."""
    return disk.target.dev or f"disk {number + 1}"


def without_overlays_to_be(name: str, disks: list[DiskChain]) -> tuple[list[DiskChain], tuple[Finding, ...]]:
    """The overlays of a snapshot that are there, and what to say of the others: libvirt makes them when it takes the snapshot."""
    there: list[DiskChain] = []
    said: list[Finding] = []
    for disk in disks:
        gone = _missing(disk.whole)
        said += [about(yet_to_be_made(name, path), disk.name, disk.layer_with(path)) for path in gone]
        there += [] if gone else [disk]
    if not there:
        said.append(nothing_looked_at(name))
    return there, tuple(said)


def _missing(chain: "BackingChain") -> list[str]:
    return [each.file for each in chain.top.findings if each.id == "missing" and each.file is not None]
