"""Collects what ``audit`` asks for: looks at every file that domains name, and into the journal. Changes nothing.

A journal that cannot be used, or has a damaged record, is a finding: what it does not tell is not known.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from diskchain.access.audit import audit_rights
from diskchain.access.audit_values import DomainUse, HostState
from diskchain.access.evidence import examine_all
from diskchain.access.grants.journal import Journal, journal_exists
from diskchain.access.grants.journal_schema import EMPTY, KIND, Contents, describe_damage
from diskchain.access.requirements import needs
from diskchain.access.security.saved_labels import boot_times
from diskchain.errors import JournalError, UsageError
from diskchain.findings import Finding, finding
from diskchain.system.deadline import DEFAULT_DEADLINE
from diskchain.system.journal_file import state_directory
from diskchain.system.process_rights import open_files


@dataclass(frozen=True, slots=True)
class JournalState:
    """What the journal in ``directory`` says, and why it cannot be used, as far as it cannot. None: there cannot be any."""

    directory: Path | None
    contents: Contents = EMPTY
    problems: tuple[str, ...] = ()


def label_findings(
    uses: Iterable[DomainUse], state: Path | None = None, seconds: float = DEFAULT_DEADLINE
) -> list[Finding]:
    """What is wrong with the rights of these domains' files. ``state``: where the journal is. ``seconds``: what a file has to answer."""
    domains = list(uses)
    journal = journal_state(state, seconds)
    host = host_state(domains, journal.contents, seconds)
    found = audit_rights([_with_open_files(use, host) for use in domains], host)
    return [*found, *journal_findings(journal)]


def host_state(uses: Iterable[DomainUse], journal: Contents, seconds: float = DEFAULT_DEADLINE) -> HostState:
    """The present state of every file that the domains name and that grants hold."""
    paths = [path for use in uses for path in _paths(use)]
    present = examine_all([*paths, *(hold.file.path for hold in journal.holds)], seconds=seconds)
    over = tuple(grant for grant in journal.grants if grant.over)
    return HostState(present, boot_times(), over, journal.holds)


def journal_state(state: Path | None = None, seconds: float = DEFAULT_DEADLINE) -> JournalState:
    """What the journal says; never raises for one that cannot be used. ``state``: its directory, None: the usual one."""
    try:
        directory = state_directory() if state is None else state
    except UsageError:
        return JournalState(None)  # without a home directory, no journal was ever made there
    try:
        if not journal_exists(directory, seconds=seconds):
            return JournalState(directory)
        with Journal(directory, "read", seconds=seconds) as journal:
            contents = journal.contents()
            unwritable = journal.unwritable
    except JournalError as error:
        return JournalState(directory, problems=(str(error),))
    problems = [describe_damage(damage) for damage in contents.damage]
    if unwritable is not None:
        problems.append(
            f"{directory / KIND.name}: nothing can be given back: the journal cannot be changed: {unwritable}"
        )
    return JournalState(directory, contents, tuple(problems))


def journal_findings(journal: JournalState) -> Iterator[Finding]:
    """Why rights that were granted may not be known, or cannot be given back."""
    for problem in journal.problems:
        yield finding("journal-unusable", problem, file=str(journal.directory))


def _with_open_files(use: DomainUse, host: HostState) -> DomainUse:
    if use.process is None:
        return use
    files = [host.present[path].facts.file for path in _paths(use)]
    opened = open_files(use.process, {file.number for file in files if file is not None})
    return replace(use, actor=replace(use.actor, opened=opened))


def _paths(use: DomainUse) -> list[str]:
    return [need.path for disk in use.disks for need in needs(disk.chain, disk.start) if need.path is not None]
