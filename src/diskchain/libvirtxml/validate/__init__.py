"""Validation: what libvirt refuses although its parser understands it, as findings, one rule and one id each.

Rules are small functions in one module per noun. Those in ``source``, ``disk``, ``lun``, ``vhostuser`` and ``domain``
hold for every hypervisor, those in ``qemu_*`` for QEMU on top. They see disks after post-parse, as libvirt's do, and
say what is wrong by a path, so that lines are those of the document. Ids and severities: ``libvirtxml.kinds``.
"""

from diskchain.findings import Finding
from diskchain.guest.disk import Disk
from diskchain.libvirtxml.documents.domain import Domain
from diskchain.libvirtxml.postparse import Profile
from diskchain.libvirtxml.validate.domain_context import Surroundings, read_surroundings
from diskchain.libvirtxml.validate.engine import as_finding, problems
from diskchain.libvirtxml.validate.locate import element_at

__all__ = ["validate", "validate_disk"]


def validate(domain: Domain, profile: Profile = Profile.QEMU) -> list[Finding]:
    """Everything that is wrong with the disks of ``domain``, as it was parsed: no :func:`post_parse` before.

    >>> from diskchain.libvirtxml.documents.domain import parse_domain
    >>> domain = parse_domain('''
    ... <domain type='kvm'><devices>
    ...   <disk><source file='/a.img'/><target dev='vda'/></disk>
    ...   <disk><source file='/b.img'/>
    ...     <target dev='vda' bus='virtio'/></disk>
    ... </devices></domain>''')
    >>> [(finding.id, finding.line) for finding in validate(domain)]
    [('target-duplicate', 5)]
    """
    document, root = domain.frame.document, domain.frame.element
    elements = [disk for devices in root.iterchildren("devices") for disk in devices.iterchildren("disk")]
    # In document order, so that of two the second is told.
    positions = sorted(range(len(domain.disks)), key=domain.order.__getitem__)
    disks = [domain.disks[position] for position in positions]
    places = [elements[domain.order[position]] for position in positions]
    found = problems(disks, profile, read_surroundings(root))
    lines = document.lines([element_at(places[one.disk], one.layer, one.problem.at) for one in found])
    return [as_finding(one, disks[one.disk], document.origin, line) for one, line in zip(found, lines, strict=True)]


def validate_disk(disk: Disk, profile: Profile = Profile.QEMU) -> list[Finding]:
    """Everything that is wrong with one disk, as far as it can be told without its domain; a value has no lines.

    >>> from diskchain.libvirtxml.codec import parse_disk
    >>> disk = parse_disk("<disk device='cdrom'><source file='/a.iso'/><target dev='vda' bus='virtio'/></disk>")
    >>> [finding.message for finding in validate_disk(disk)]
    ['disk vda: nothing on virtio can be ejected (allowed: ide, sata, scsi, usb)']
    """
    found = problems([disk], profile, Surroundings())
    return [as_finding(one, disk, None, None) for one in found]
