"""Findings about rights for ``check``: from domain documents, or from all domains of a connection, to the files' state.

The function to call is :func:`rights_findings`, or :func:`label_findings` for what is at hand already.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from diskchain.access.audit_state import label_findings as findings_of
from diskchain.access.audit_values import DomainUse, UsedDisk
from diskchain.actions.actor import Host, acting_for, confinement, host_of
from diskchain.errors import DiskchainError
from diskchain.findings import Finding
from diskchain.hypervisor.domain_log import opened_before
from diskchain.libvirtxml.documents.domain_labels import DomainLabels, parse_domain_labels
from diskchain.libvirtxml.edit.completion import declared_disks
from diskchain.storage.operation import Start
from diskchain.system.deadline import DEFAULT_DEADLINE

if TYPE_CHECKING:
    from diskchain.discover import Discoverer
    from diskchain.hypervisor.connection import Connection


@dataclass(frozen=True, slots=True)
class _Described:
    text: bytes
    origin: str


def rights_findings(uri: str, *, seconds: float = DEFAULT_DEADLINE) -> list[Finding]:
    """What is wrong with the rights of all files that the domains of the connection ``uri`` use. Raises PeerError."""
    from diskchain.hypervisor.connection import Connection

    with Connection(uri) as connection:
        return label_findings(connection, seconds=seconds)


def label_findings(
    source: "Connection | Iterable[bytes]", *, state: Path | None = None, seconds: float = DEFAULT_DEADLINE
) -> list[Finding]:
    """What is wrong with the rights of all files that domains use.

    ``source``: an open connection, whose domains are all asked; or the texts of ``<domain>`` documents. What no domain
    among them uses counts as unused. Documents of domains on another host give no findings: their files are not ours.
    A document that is no domain, or that libvirt's parser refuses, is passed over; other findings name it. So is a domain
    of which nobody can tell as whom it runs, and a file that does not answer within so many ``seconds``.
    """
    from diskchain.hypervisor.connection import Connection

    host = Host()
    if isinstance(source, Connection):
        if source.host is not None:
            return []
        host = host_of(source)
        described = [_Described(document.current, document.name) for document in source.domains()]
    else:
        described = [_Described(text, f"document {number}") for number, text in enumerate(source, start=1)]
    return findings_of(list(_uses(described, host, seconds)), state, seconds)


def _uses(described: Iterable[_Described], host: Host, seconds: float) -> Iterator[DomainUse]:
    from diskchain.discover import Discoverer

    discoverer = Discoverer(seconds=seconds)
    for document in described:
        try:
            labels = parse_domain_labels(document.text, origin=document.origin)
            use = None if labels is None else _use(labels, document, host, discoverer)
        except DiskchainError:
            continue
        if use is not None:
            yield use


def _use(labels: DomainLabels, document: _Described, host: Host, discoverer: "Discoverer") -> DomainUse:
    acting = acting_for(labels, host)
    selinux = labels.of("selinux")
    root = host.daemon.root if host.daemon is not None else ""
    return DomainUse(
        name=labels.name or document.origin,
        running=labels.running,
        disks=tuple(_disks(labels, document, discoverer)),
        actor=acting.actor,
        dac=acting.domain,
        selinux=selinux.imagelabel if selinux is not None else None,
        profile=confinement(labels, host).apparmor,
        process=acting.process,
        opened_before=opened_before(labels.name, root) if host.daemon is not None else frozenset(),
    )


def _disks(labels: DomainLabels, document: _Described, discoverer: "Discoverer") -> Iterator[UsedDisk]:
    for disk in declared_disks(document.text, document.origin):
        if not disk.is_empty:
            overlay = None if labels.running else disk.overlay_of(labels.name)
            yield UsedDisk(discoverer.discover(disk.source).source, Start(overlay))
