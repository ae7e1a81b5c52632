"""``grant``: the least rights an operation needs, planned against the files and the journal, and given where that is asked."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from diskchain.access.evidence import Present, examine_all
from diskchain.access.grants.apply import Granted, apply
from diskchain.access.grants.journal import Journal, journal_exists
from diskchain.access.grants.journal_schema import Hold, describe_damage
from diskchain.access.grants.plan import Plan, plan_grant
from diskchain.access.grants.trust import (
    By,
    Named,
    Refusal,
    named_by,
    refused_authors,
    refused_by_discovery,
    refused_kinds,
    refused_replacements,
)
from diskchain.access.judge import FileAccess
from diskchain.actions.access import Question
from diskchain.errors import JournalError, UsageError
from diskchain.readers.policy import OpenPolicy
from diskchain.storage.location import DirLocation
from diskchain.system.process import Holder, holder_of


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """What is wanted. ``operation``: in words, the same again is the same grant. ``policy``: the one the chains were discovered with.

    ``allowed``: kinds of change: ``acl``, ``mode``, ``owner``. ``state``: the directory of the journal. ``process``: a process id that
    the grant is for; None: the domain's QEMU, if it runs.
    """

    operation: str
    policy: OpenPolicy
    state: Path
    allowed: frozenset[str] = frozenset({"acl"})
    process: int | None = None


@dataclass(frozen=True, slots=True)
class PlannedGrant:
    """A plan. ``known``: every chain is known to its end. ``journal_problem``: why it could not be written into the journal, if so."""

    plan: Plan
    known: bool
    journal_problem: str | None = None


def plan(asked: Question, request: GrantRequest) -> PlannedGrant:
    """The plan alone; nothing is changed or made. Raises JournalError when there is a journal that cannot be read."""
    holds: tuple[Hold, ...] = ()
    problem = None
    if journal_exists(request.state, seconds=asked.seconds):
        with Journal(request.state, "read", seconds=asked.seconds) as journal:
            contents = journal.contents()
            holds = contents.holds
            problem = journal.unwritable
            if contents.damage:
                problem = describe_damage(contents.damage[0])
    return PlannedGrant(_plan(asked, request, holds), asked.known, problem)


def plan_and_apply(asked: Question, request: GrantRequest) -> tuple[PlannedGrant, Granted | None]:
    """The plan, and the grant that carries it out; None where the plan is not complete, and nothing was changed.

    Raises JournalError, and GrantFailed after giving back what it had changed.
    """
    holder = _holder(asked, request)
    with Journal(request.state, seconds=asked.seconds) as journal:
        contents = journal.contents()
        if contents.damage:
            raise JournalError(describe_damage(contents.damage[0]), path=str(journal.path))
        planned = PlannedGrant(_plan(asked, request, contents.holds), asked.known)
        if not planned.plan.complete:
            return planned, None
        granted = apply(
            planned.plan,
            journal,
            target=asked.target,
            operation=request.operation,
            holder=holder,
            seconds=asked.seconds,
        )
        return planned, granted


def _holder(asked: Question, request: GrantRequest) -> Holder | None:
    if request.process is None:
        return None if asked.process is None else holder_of(asked.process)
    holder = holder_of(request.process)
    if holder is None:
        raise UsageError(f"there is no process {request.process}")
    return holder


def _plan(asked: Question, request: GrantRequest, holds: Iterable[Hold]) -> Plan:
    accesses = [access for subject in asked.subjects for access in asked.answer(subject, without=holds)]
    named: dict[str, Named] = {}
    for subject in asked.subjects:
        for name, by in named_by(subject.found, asked.declared_by).items():
            if name not in named or by.by is not By.HEADER:
                named[name] = by
    paths = [access.need.path for access in accesses if access.need.path is not None]
    present = examine_all([*paths, *named], seconds=asked.seconds)
    refused = [*_refused(asked, accesses, present)]
    if request.policy.name != "libvirt":
        lacking = [path for access in accesses if access.hindrances and (path := access.need.path) is not None]
        refused += refused_authors(named, present, os.geteuid(), lacking)
    return plan_grant(accesses, asked.who, allowed=request.allowed, named=named, refused=refused)


def _refused(asked: Question, accesses: list[FileAccess], present: Mapping[str, Present]) -> Iterable[Refusal]:
    directories = frozenset(
        access.need.path
        for access in accesses
        if access.need.path is not None
        and isinstance(access.need.source.location, DirLocation)
        and not access.need.source.detected
    )
    for subject in asked.subjects:
        yield from refused_by_discovery(subject.found)
        yield from refused_replacements(subject.found, present)
    yield from refused_kinds(present, directories)
