"""What a document says, as a value. Imported with documents alone: images need none of it."""

from dataclasses import dataclass

from diskchain.actions.read_document import TargetDocument
from diskchain.actions.target import Target
from diskchain.findings import Finding
from diskchain.guest.disk import Disk


@dataclass(frozen=True, slots=True)
class DocumentView:
    """What a document says.

    ``text``: what was read, of a domain its live or its persistent definition. ``disks``: those that can be read, empty drives among
    them, in its order; ``numbers``: their places among all ``count`` disks it has, from 0.
    ``targets``: those with a medium. ``said``: what libvirt would say of the document, each finding with its disk if it has one.
    ``is_plan``: the targets are overlays that libvirt has yet to make, of a snapshot without its domain.
    ``guest``: the UUID of the domain, or its name. ``kind``: the name of the document's root, such as ``domainbackup``.
    """

    document: TargetDocument
    text: bytes
    disks: tuple[Disk, ...]
    numbers: tuple[int, ...]
    count: int
    targets: tuple[Target, ...]
    said: tuple[Finding, ...]
    is_plan: bool = False
    guest: str | None = None
    kind: str = ""
