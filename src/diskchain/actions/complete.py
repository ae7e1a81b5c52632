"""A document with every ``<backingStore>`` filled in, or taken out again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from diskchain.actions.chains import DEFAULT, Settings, examine_document, examine_one
from diskchain.actions.document import disk_name
from diskchain.actions.document_view import DocumentView
from diskchain.actions.image_target import image_target
from diskchain.actions.read_document import TargetDocument, document_of, domain_document
from diskchain.actions.target import TargetName
from diskchain.checks.confirmed import certain
from diskchain.errors import LayerNotFound, UsageError, printable
from diskchain.findings import Finding, about, finding
from diskchain.libvirtxml.edit.completion import complete as filled_in
from diskchain.libvirtxml.edit.completion import declared_disks, strip, unwritable
from diskchain.storage.source import Source


@dataclass(frozen=True, slots=True)
class Completed:
    """A document, and everything found on the way, each finding once."""

    text: bytes
    findings: tuple[Finding, ...] = ()


def definition_of(name: TargetName) -> TargetDocument:
    """The document that ``name`` means; of a domain its persistent definition.

    Raises UsageError for an image, for a transient domain and for files on another host; StorageError, PeerError.
    """
    document = _document(name)
    if document is None:
        image_target(name)  # one that is not there is told of as such
        raise UsageError(
            f"{printable(name.name)} is an image; name a document with <domain>, <domainsnapshot> or <disk>"
        )
    return _definition(document, name)


def to_complete(name: TargetName) -> TargetDocument:
    """As :func:`definition_of`; of an image, a ``<disk>`` with it, as ``vda`` on virtio. Raises what that and discovery raise."""
    document = _document(name)
    return disk_of_image(name) if document is None else _definition(document, name)


def _document(name: TargetName) -> TargetDocument | None:
    return document_of(name) if name.connect is None else domain_document(name.connect, name.name, here=True)


def _definition(document: TargetDocument, name: TargetName) -> TargetDocument:
    if document.domain is None:
        return document
    if document.domain.inactive is None:
        raise UsageError(f"{printable(name.name)} is transient: it has no definition for another start")
    return replace(document, text=document.domain.inactive, domain=None)


def disk_of_image(name: TargetName) -> TargetDocument:
    """A ``<disk>`` whose source is an image, of the format that it has. Raises StorageError, UsageError where nobody can tell that."""
    from diskchain.guest.disk import Disk as GuestDisk
    from diskchain.guest.driver import DriverPolicy
    from diskchain.guest.target import Target as GuestTarget
    from diskchain.guest.terms import DiskBus
    from diskchain.libvirtxml.codec import format_disk
    from diskchain.libvirtxml.view import View
    from diskchain.storage.source import UNKNOWN

    (disk,) = examine_one(name, Settings(timeout=name.timeout, rights=False)).disks
    top = disk.whole.top
    if top.header is None or top.source.format is None:
        problem = next((found.message for found in top.findings), "it was not looked at")
        raise UsageError(f"the format of {printable(name.name)} cannot be told: {problem}")
    unfit = unwritable(top.source)
    if unfit is not None:
        raise UsageError(f"{printable(unfit)} cannot be written in XML")
    source = top.source._replace(backing=UNKNOWN, data_file=None, extents=())
    text = format_disk(
        GuestDisk(source, GuestTarget("vda", DiskBus.VIRTIO), driver=DriverPolicy(name="qemu")), view=View.INACTIVE
    )
    return TargetDocument(text.encode(), name.name)


def complete(document: TargetDocument, wanted: Sequence[str] = (), settings: Settings = DEFAULT) -> Completed:
    """``document`` with the chains of the disks that ``wanted`` names filled in; of all disks for none.

    What it says itself stays. What was filled in before is looked at afresh. Raises LayerNotFound, a usage error, for a disk it does not
    have; XmlError.
    """
    text = stripped(document, wanted).text
    target = examine_document(replace(document, text=text), settings)
    view = target.view
    assert view is not None  # noqa: S101 (it is a document)
    chosen = _numbers(_targets_of(view), wanted)
    chains: list[Source | None] = [None] * view.count
    places = dict(zip(map(id, view.targets), _numbers_of(view), strict=True))
    findings = [each for each in target.said if not wanted or each.disk is None or each.disk in wanted]
    for disk in target.disks:
        number = places[id(disk.target)]
        if chosen is not None and number not in chosen:
            continue
        findings += disk.findings()
        source = certain(disk.whole)
        unfit = unwritable(source)
        if unfit is None:
            chains[number] = source
        else:
            message = f"{printable(unfit)} cannot be written in XML, so disk {disk.name} is left as it was"
            said = finding("not-in-xml", message, file=unfit)
            findings.append(about(said, disk.name, disk.layer_with(unfit)))
    return Completed(filled_in(text, chains, document.origin), tuple(dict.fromkeys(findings)))


def stripped(document: TargetDocument, wanted: Sequence[str] = ()) -> Completed:
    """``document`` without what was filled in, for the disks that ``wanted`` names. Raises LayerNotFound, XmlError."""
    if not wanted:
        return Completed(strip(document.text, None, document.origin))
    targets = [disk.target.dev for disk in declared_disks(document.text, document.origin)]
    return Completed(strip(document.text, _numbers(list(enumerate(targets)), wanted), document.origin))


def _targets_of(view: DocumentView) -> list[tuple[int, str]]:
    """Every disk that can be read: its place in the document, and its name."""
    return [
        (place, disk_name(disk, number))
        for number, (place, disk) in enumerate(zip(view.numbers, view.disks, strict=True))
    ]


def _numbers_of(view: DocumentView) -> list[int]:
    """The places in the document of the disks with a medium, which are the view's targets."""
    return [place for place, disk in zip(view.numbers, view.disks, strict=True) if not disk.is_empty]


def _numbers(targets: Sequence[tuple[int, str]], wanted: Sequence[str]) -> Collection[int] | None:
    """The places of the disks that ``wanted`` names; a snapshot's document may have one twice. None: all."""
    if not wanted:
        return None
    for name in wanted:
        if all(target != name for _, target in targets):
            known = ", ".join(printable(target) for target in dict.fromkeys(called for _, called in targets)) or "none"
            raise LayerNotFound(f"no disk is called {printable(name)}: the disks are {known}", name=name)
    return {place for place, target in targets if target in wanted}
