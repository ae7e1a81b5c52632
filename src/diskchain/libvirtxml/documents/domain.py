"""``<domain>``: its disks as values in libvirt's order, the rest as it stood."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diskchain.errors import UsageError
from diskchain.guest.disk import Disk
from diskchain.guest.order import libvirt_order
from diskchain.libvirtxml.codec import format_disk
from diskchain.libvirtxml.markup.document import Document, Element, Text, as_document, refuse
from diskchain.libvirtxml.markup.scalars import read_number, text_of
from diskchain.libvirtxml.markup.template import Frame, Hole
from diskchain.libvirtxml.parse.disk import read_disk
from diskchain.libvirtxml.postparse import Profile, post_parse
from diskchain.libvirtxml.view import View

_DISKS = (Hole(("devices",), "disk", before=("emulator",)),)

#: A snapshot's second domain has a name of its own.
DOMAIN_NAMES = ("domain", "inactiveDomain")


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain. ``disks`` are in libvirt's order; ``order`` has for each its position in the document, from 0.

    ``id`` is there when the domain runs. ``frame`` is the rest of the document, and knows lines.
    """

    type: str | None
    name: str | None
    uuid: str | None
    id: int | None
    disks: tuple[Disk, ...]
    order: tuple[int, ...]
    frame: Frame

    def disk(self, target: str) -> Disk:
        """The disk with that target. Raises UsageError when there is none."""
        for disk in self.disks:
            if disk.target.dev == target:
                return disk
        raise UsageError(f"no disk {target}: there is {', '.join(d.target.dev for d in self.disks) or 'none at all'}")

    def line(self, disk: int, path: str = "") -> int | None:
        """The line of ``disks[disk]``, or of what is at ``path`` below it, such as ``source/host[2]``."""
        step = f"devices/disk[{self.order[disk] + 1}]"
        return self.frame.line(f"{step}/{path}" if path else step)


def parse_domain(text: Text, *, view: View = View.LIVE, origin: str | None = None) -> Domain:
    """A ``<domain>``.

    >>> domain = parse_domain('''
    ... <domain type='kvm'><name>web</name><devices>
    ...   <disk type='file'><source file='/b.img'/><target dev='vdb' bus='virtio'/></disk>
    ...   <disk type='file'><source file='/a.img'/><target dev='vda' bus='virtio'/></disk>
    ... </devices></domain>''')
    >>> domain.name, [disk.target.dev for disk in domain.disks], domain.line(1)
    ('web', ['vda', 'vdb'], 3)

    ``view`` as for :func:`~diskchain.libvirtxml.codec.parse_disk`. Raises XmlError, also for anything wrong in a disk;
    what is not a disk is not looked at.
    """
    with (document := as_document(text, origin)).reading() as root:
        if root.tag not in DOMAIN_NAMES:
            refuse(root, f"<{root.tag}> is no <domain>")
        return read_domain(document, (root.tag,), root, view)


def read_domain(document: Document, path: tuple[str, ...], element: Element, view: View) -> Domain:
    """A domain that is part of ``document``; ``path`` leads there from the root."""
    texts: dict[str, str | None] = {}
    disks: list[Disk] = []
    for child in element:
        if child.tag in ("name", "uuid"):
            texts.setdefault(child.tag, text_of(child))
        elif child.tag == "devices":
            disks += [read_disk(disk, view) for disk in child.iterchildren("disk")]
    id = element.get("id")
    order = libvirt_order(disks)
    return Domain(
        element.get("type"),
        texts.get("name"),
        texts.get("uuid"),
        read_number(element, "id of <domain>", id) if id else None,
        tuple(disks[position] for position in order),
        order,
        Frame(document, element, path, _DISKS),
    )


def post_parse_domain(domain: Domain, profile: Profile = Profile.QEMU) -> Domain:
    """``domain`` with libvirt's defaults for its disks filled in; see :func:`~diskchain.libvirtxml.postparse.post_parse`."""
    return replace(domain, disks=post_parse(domain.disks, profile))


def format_domain(domain: Domain, *, view: View = View.LIVE, secure: bool = False, foreign: bool = True) -> str:
    r"""The whole document: the disks written anew, in ``domain``'s order, the rest as it stood.

    >>> domain = parse_domain("<domain><devices>\n    <disk><target dev='vda' bus='virtio'/></disk></devices></domain>")
    >>> print(format_domain(domain))
    <domain><devices>
        <disk type='file' device='disk'>
          <target dev='vda' bus='virtio'/>
        </disk>
    </devices></domain>

    ``view`` as for :func:`~diskchain.libvirtxml.codec.format_disk`: ``LIVE``, as for reading, or ``INACTIVE`` for a domain to define.
    Raises UsageError as that does.
    """
    return domain.frame.fill([_format_disks(domain.frame, domain.disks, view, secure=secure, foreign=foreign)])


def _format_disks(frame: Frame, disks: Sequence[Disk], view: View, *, secure: bool, foreign: bool) -> str:
    if not disks:
        return ""
    indent = frame.indent(0)
    if indent is None:
        raise UsageError("the domain has no <devices> to put disks into")
    return "".join(format_disk(disk, view=view, secure=secure, indent=indent, foreign=foreign) for disk in disks)
