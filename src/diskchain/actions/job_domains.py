"""What else a libvirt connection knows of files that a job changes or deletes: other domains, and snapshots that name them.

Of each other domain its definition is looked at, and its chains are followed: an overlay may be in any directory.
"""

from collections.abc import Iterator

from diskchain.actions.chains import examine_document
from diskchain.actions.examined import Settings
from diskchain.actions.read_document import TargetDocument
from diskchain.errors import DiskchainError, printable
from diskchain.findings import Finding, Severity, finding
from diskchain.hypervisor.connection import Connection, DomainDocument
from diskchain.jobs.plan import Plan
from diskchain.jobs.preflight import affected_paths
from diskchain.libvirtxml.markup.writer import escape


def other_domains(uri: str, own: str, plan: Plan, settings: Settings) -> Iterator[Finding]:
    """Why files of ``plan`` may not be changed, as other domains of the connection use them. ``own``: the UUID of the target.

    Raises PeerError.
    """
    affected = affected_paths(plan)
    if not affected:
        return
    with Connection(uri) as connection:
        domains = connection.domains()
        snapshots = connection.snapshots()
    for domain in domains:
        if domain.uuid != own:
            yield from _of_domain(domain, affected, settings)
    for of, name, text in snapshots:
        for path in plan.delete:
            if escape(path).encode() in text:
                message = f"snapshot {printable(name)} of domain {printable(of)} names {path}, which is to be deleted"
                yield finding("job-other-overlay", message, severity=Severity.WARNING, file=path)


def _of_domain(domain: DomainDocument, affected: frozenset[str], settings: Settings) -> Iterator[Finding]:
    document = TargetDocument(domain.current, domain.name)
    try:
        examined = examine_document(document, settings)
    except DiskchainError as error:
        message = f"which files domain {printable(domain.name)} uses cannot be told: {error}"
        yield finding("job-other-overlay", message, severity=Severity.WARNING)
        return
    for disk in examined.disks:
        for path in affected.intersection(disk.files):
            message = f"domain {printable(domain.name)} uses {path} ({disk.name}), which is to be changed: it would read other data"
            yield finding("job-other-overlay", message, file=path)
