"""Whole documents: everything libvirt's parser and its validation would refuse, with lines.

Domains, what holds domains (snapshots, status), backups, and single disks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from diskchain.errors import XmlError, printable
from diskchain.findings import Finding, finding
from diskchain.guest.disk import Disk
from diskchain.libvirtxml.documents.backup import parse_backup
from diskchain.libvirtxml.documents.domain import DOMAIN_NAMES
from diskchain.libvirtxml.documents.snapshot import SnapshotDisk, parse_snapshot
from diskchain.libvirtxml.documents.status import parse_status
from diskchain.libvirtxml.markup.document import Document, Element, Text, as_document
from diskchain.libvirtxml.markup.scalars import text_of
from diskchain.libvirtxml.postparse import Profile
from diskchain.libvirtxml.validate.backup import backup_findings
from diskchain.libvirtxml.validate.domain_context import Surroundings, read_surroundings
from diskchain.libvirtxml.validate.engine import Found, as_finding, problems
from diskchain.libvirtxml.validate.locate import element_at
from diskchain.libvirtxml.validate.recovery import Refused, read_all
from diskchain.libvirtxml.view import View

_REFUSED = "document"
_WHOLE: dict[str, Callable[[Document], object]] = {
    "domainsnapshot": parse_snapshot,
    "domainbackup": parse_backup,
    "domstatus": parse_status,
}


@dataclass(frozen=True, slots=True)
class Checked:
    """A document and what there is to say about it.

    ``disks`` are those that can be read, in document order; ``numbers``: the place of each among all ``count`` disks of the document, from 0.
    ``findings`` go with the target of the disk they are about,
    None for the rest of the document. ``overlays``: where a snapshot has no disks of a domain inside, those it lists itself.
    ``guest``: the UUID of the domain, or its name. ``kind``: the name of the root, such as ``domainbackup``.
    """

    disks: tuple[Disk, ...]
    findings: tuple[tuple[str | None, Finding], ...]
    overlays: tuple[SnapshotDisk, ...] | None = None
    numbers: tuple[int, ...] = ()
    count: int = 0
    guest: str | None = None
    kind: str = ""


def check_document(text: Text, profile: Profile = Profile.QEMU, origin: str | None = None) -> Checked:
    """Read and validate all disks of a document, in time linear in its size.

    >>> checked = check_document("<disk><source file='/a'/><target dev='sda' bus='sata'/><readonly/></disk>")
    >>> [finding.message for _, finding in checked.findings]
    ['disk sda: a disk on sata cannot be read-only (allowed: virtio, scsi, usb)']

    Raises XmlError only when there is no document at all: malformed, or not one of libvirt's with disks.
    """
    document = as_document(text, origin)
    root = document.root
    disks: list[Disk] = []
    found: list[tuple[str | None, Finding]] = []
    numbers: list[int] = []
    if root.tag == "disk":
        numbers += _check_disks(document, [root], None, profile, View.INACTIVE, disks, found)
    before = int(root.tag == "disk")
    for domain in _domains(root):
        elements = [disk for devices in domain.iterchildren("devices") for disk in devices.iterchildren("disk")]
        read = _check_disks(document, elements, domain, profile, _view(root, domain), disks, found)
        numbers += [before + number for number in read]
        before += len(elements)
    if root.tag in _WHOLE and not any(one.id == _REFUSED for _, one in found):
        found += [(None, one) for one in _refused_elsewhere(document)]
        if root.tag == "domainbackup" and not any(one.id == _REFUSED for _, one in found):
            found += [(one.disk, one) for one in backup_findings(document)]
    elif root.tag not in {"disk", *DOMAIN_NAMES, *_WHOLE}:
        raise XmlError(f"<{root.tag}> has no disks", origin=origin, line=document.line(root))
    alone = root.tag == "domainsnapshot" and not disks and not any(one.id == _REFUSED for _, one in found)
    overlays = parse_snapshot(document).disks if alone else None
    return Checked(tuple(disks), tuple(found), overlays, tuple(numbers), before, _guest(root), str(root.tag))


def _guest(root: Element) -> str | None:
    for domain in _domains(root):
        for tag in ("uuid", "name"):
            child = domain.find(tag)
            if child is not None and text_of(child):
                return text_of(child)
    return None


def _domains(root: Element) -> list[Element]:
    if root.tag in DOMAIN_NAMES:
        return [root]
    return [child for child in root if child.tag in DOMAIN_NAMES] if root.tag in _WHOLE else []


def _view(root: Element, domain: Element) -> View:
    """How libvirt would read the domain. One with an id runs, so libvirt itself wrote that."""
    if root.tag == "domstatus":
        return View.STATUS
    return View.LIVE if domain.get("id") is not None else View.INACTIVE


def _refused_elsewhere(document: Document) -> Iterator[Finding]:
    """The first thing the parser refuses outside the disks of domains."""
    try:
        _WHOLE[document.root.tag](document)
    except XmlError as error:
        message = _with_allowed(error.problem, error.allowed)
        yield finding(_REFUSED, message, file=document.origin, line=error.line, allowed=error.allowed)


def _check_disks(
    document: Document,
    elements: Sequence[Element],
    domain: Element | None,
    profile: Profile,
    view: View,
    disks: list[Disk],
    findings: list[tuple[str | None, Finding]],
) -> list[int]:
    """Add the disks at ``elements``, all those of ``domain``, and what is wrong with them. Which of them could be read."""
    around = Surroundings() if domain is None else read_surroundings(domain)
    refused: list[tuple[int, Refused]] = []
    read: list[tuple[int, Disk]] = []
    for position, element in enumerate(elements):
        reading = read_all(element, view)
        refused += [(position, one) for one in reading.refused]
        if reading.disk is not None:
            read.append((position, reading.disk))
    ours = [disk for _, disk in read]
    found = problems(ours, profile, around)
    positions = [*(position for position, _ in refused), *(read[one.disk][0] for one in found)]
    places = [one.element for _, one in refused]
    places += [element_at(elements[read[one.disk][0]], one.layer, one.problem.at) for one in found]
    lines = document.lines(places)
    of_parser = [_refusal(elements[position], one, document.origin) for position, one in refused]
    of_rules = [_named(one, ours, document.origin) for one in found]
    together = zip(positions, [*of_parser, *of_rules], lines, strict=True)
    for _, (target, said), line in sorted(together, key=lambda one: one[0]):
        findings.append((target, said._replace(line=line)))
    disks += ours
    return [position for position, _ in read]


def _named(found: Found, disks: Sequence[Disk], origin: str | None) -> tuple[str | None, Finding]:
    disk = disks[found.disk]
    return disk.target.dev or None, as_finding(found, disk, origin, None)


def _refusal(disk: Element, refused: Refused, origin: str | None) -> tuple[str | None, Finding]:
    target = disk.find("target")
    dev = None if target is None else target.get("dev")
    message = printable(_with_allowed(refused.problem, refused.allowed))
    said = finding(_REFUSED, message, file=origin, allowed=tuple(map(str, refused.allowed)))
    return dev, said._replace(disk=dev)


def _with_allowed(problem: str, allowed: tuple[str, ...]) -> str:
    return f"{problem} (allowed: {', '.join(allowed)})" if allowed else problem
