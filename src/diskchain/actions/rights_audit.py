"""Findings about rights for ``check``: from domain documents, or from all domains of a connection, to the files' state.

The function to call is :func:`label_findings`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from diskchain.access.audit import DomainUse
from diskchain.access.audit_state import label_findings as findings_of
from diskchain.access.kernel.identity import identify
from diskchain.access.security.apparmor_profile import apparmor_enabled, read_profile
from diskchain.access.security.libvirt_labels import DomainLabel
from diskchain.errors import DiskchainError
from diskchain.findings import Finding
from diskchain.libvirtxml.documents.domain_labels import DomainLabels, parse_domain_labels
from diskchain.libvirtxml.edit.completion import declared_disks
from diskchain.storage.source import Source
from diskchain.system.deadline import DEFAULT_DEADLINE

if TYPE_CHECKING:
    from diskchain.discover import Discoverer
    from diskchain.hypervisor.connection import Connection

#: Where libvirt's QEMU driver runs as a user of its own: Debian and relatives; Red Hat, SUSE and relatives.
_USUAL_USERS = ("libvirt-qemu", "qemu")


class _Described(NamedTuple):
    text: bytes
    origin: str


def label_findings(
    source: "Connection | Iterable[bytes]", *, state: Path | None = None, seconds: float = DEFAULT_DEADLINE
) -> list[Finding]:
    """What is wrong with the rights of all files that domains use.

    ``source``: an open connection, whose domains are all asked; or the texts of ``<domain>`` documents. What no domain
    among them uses counts as unused. Documents of domains on another host give no findings: their files are not ours.
    A document that is no domain, or that libvirt's parser refuses, is passed over; other findings name it. So is a file
    that does not answer within so many ``seconds``.
    """
    from diskchain.hypervisor.connection import Connection

    base = None
    if isinstance(source, Connection):
        if source.host is not None:
            return []
        base = source.base_label("dac")
        described = [_Described(document.current, document.name) for document in source.domains()]
    else:
        described = [_Described(text, f"document {number}") for number, text in enumerate(source, start=1)]
    return findings_of(list(_uses(described, base or _usual_label(), seconds)), state, seconds)


def _uses(described: Iterable[_Described], base: str | None, seconds: float) -> Iterator[DomainUse]:
    from diskchain.discover import Discoverer

    discoverer = Discoverer(seconds=seconds)
    for document in described:
        try:
            labels = parse_domain_labels(document.text, origin=document.origin)
            use = None if labels is None else _use(labels, document, base, discoverer)
        except DiskchainError:
            continue
        if use is not None:
            yield use


def _use(labels: DomainLabels, document: _Described, base: str | None, discoverer: "Discoverer") -> DomainUse | None:
    dac = labels.of("dac")
    label = dac.label if dac is not None and dac.label else base
    if label is None:
        return None
    selinux = labels.of("selinux")
    return DomainUse(
        name=labels.name or document.origin,
        running=labels.running,
        chains=tuple(_chains(document, discoverer)),
        who=identify(label, capabilities=False),
        dac=DomainLabel("dac", label, dac.relabel if dac is not None else True),
        selinux=selinux.imagelabel if selinux is not None else None,
        profile=read_profile(labels.uuid) if labels.uuid and labels.running and apparmor_enabled() else None,
    )


def _chains(document: _Described, discoverer: "Discoverer") -> Iterator[Source]:
    for disk in declared_disks(document.text, document.origin):
        if not disk.is_empty:
            yield discoverer.discover(disk.source).source


def _usual_label() -> str | None:
    for user in _USUAL_USERS:
        try:
            who = identify(user)
        except DiskchainError:
            continue
        return f"+{who.uid}:+{who.gid}"
    return None
