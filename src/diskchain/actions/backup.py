"""A ``<domainbackup>`` among the targets, held against the domain that was given before it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from diskchain.actions.examined import Examined, Settings

if TYPE_CHECKING:
    from diskchain.actions.document_view import DocumentView
    from diskchain.guest.disk import Disk


def held_against_domain(targets: Iterator[Examined], settings: Settings) -> Iterator[Examined]:
    """``targets``, each backup among them with what libvirt would say of it for the one domain before it. With several nobody knows which."""
    domains: list[Sequence[Disk]] = []
    for target in targets:
        view = target.view
        if view is not None and view.kind == "domain":
            domains.append(_in_order(view))
        elif view is not None and view.kind == "domainbackup" and len(domains) == 1:
            target = _for_domain(target, view, domains[0], settings)  # noqa: PLW2901 (the same, with more said)
        yield target


def _in_order(view: "DocumentView") -> "tuple[Disk, ...]":
    from diskchain.guest.order import libvirt_order
    from diskchain.libvirtxml.postparse import post_parse

    disks = post_parse(view.disks)
    return tuple(disks[position] for position in libvirt_order(disks))


def _for_domain(target: Examined, view: "DocumentView", disks: "Sequence[Disk]", settings: Settings) -> Examined:
    from diskchain.behaviours import for_versions
    from diskchain.errors import XmlError
    from diskchain.libvirtxml.markup.document import as_document
    from diskchain.libvirtxml.validate.backup import backup_findings

    try:
        found = backup_findings(as_document(view.text, view.document.origin), disks)
    except XmlError:  # told already
        return target
    if settings.versions is not None:
        found = [for_versions(each, settings.versions) for each in found]
    more = tuple(each for each in found if each not in target.said)
    return target.with_parts(target.disks, target.said + more) if more else target
