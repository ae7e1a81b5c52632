"""Collects what ``drift`` asks for: looks at every file that domains name, and into the journal. Changes nothing."""

from collections.abc import Iterable
from pathlib import Path

from diskchain.access.audit import DomainUse, HostState, drift
from diskchain.access.evidence import examine_all
from diskchain.access.grants.journal import Journal, journal_exists, state_directory
from diskchain.access.grants.journal_schema import Hold, Job
from diskchain.access.requirements import needs
from diskchain.access.security.saved_labels import boot_times
from diskchain.findings import Finding
from diskchain.storage.operation import Start
from diskchain.system.deadline import DEFAULT_DEADLINE


def label_findings(
    uses: Iterable[DomainUse], state: Path | None = None, seconds: float = DEFAULT_DEADLINE
) -> list[Finding]:
    """What is wrong with the rights of these domains' files. ``state``: where the journal is. ``seconds``: what a file has to answer.

    Raises StorageError when there is a journal that cannot be read.
    """
    domains = list(uses)
    return drift(domains, host_state(domains, state, seconds))


def host_state(uses: Iterable[DomainUse], state: Path | None = None, seconds: float = DEFAULT_DEADLINE) -> HostState:
    """The present state of every file that the domains name and that jobs hold."""
    directory = state_directory() if state is None else state
    jobs: list[Job] = []
    holds: list[Hold] = []
    if journal_exists(directory):
        with Journal(directory) as journal:
            jobs = [job for job in journal.jobs() if job.holder is None or not job.holder.alive()]
            holds = journal.holds()
    paths = [
        need.path for use in uses for chain in use.chains for need in needs(chain, Start()) if need.path is not None
    ]
    present = examine_all([*paths, *(hold.file.path for hold in holds)], seconds=seconds)
    return HostState(present, boot_times(), jobs, holds)
