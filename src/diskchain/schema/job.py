"""Jobs in JSON: the plan (``diskchain/job-plan/1``), events as JSON lines (``diskchain/job-event/1``), the journal (``diskchain/jobs/1``)."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from diskchain.findings import Finding
from diskchain.jobs.events import Event
from diskchain.jobs.journal_schema import Listed, ListedJob
from diskchain.jobs.plan import Plan
from diskchain.jobs.states import FINAL
from diskchain.jobs.words import nearest_commands, plan_steps
from diskchain.schema.base import FindingDocument, finding_document

JOB_PLAN_SCHEMA = "diskchain/job-plan/1"
JOB_EVENT_SCHEMA = "diskchain/job-event/1"
JOBS_SCHEMA = "diskchain/jobs/1"
ADOPT_SCHEMA = "diskchain/adopt/1"


class JobStepDocument(msgspec.Struct, frozen=True):
    """One step of a plan. ``filename``: what is changed, made or deleted by it, null where nothing is."""

    kind: Literal["make", "copy", "compare", "point", "document", "delete"]
    words: str
    filename: str | None


class JobPlanDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What a verb that makes a job prints with ``--plan --json``. Nothing was changed.

    ``refused``: it would not be carried out, because of the findings that are errors. ``chain``, ``new-chain``: the layers before and
    after, top first. ``copies``, ``room``: upper bounds in bytes. ``commands``: what comes nearest, of other tools.
    """

    schema: str = JOB_PLAN_SCHEMA
    verb: str
    target: str
    refused: bool
    chain: tuple[str, ...] = ()
    new_chain: tuple[str, ...] = ()
    copies: int = 0
    room: int = 0
    steps: tuple[JobStepDocument, ...] = ()
    commands: tuple[str, ...] = ()
    findings: tuple[FindingDocument, ...] = ()


class JobEventDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """One line of what a running job prints with ``--json``.

    ``kind``: a ``state`` was reached, or how far the step after it is (``progress``, ``done`` of ``total``); the last line is ``done``,
    ``refused`` (nothing was changed), ``stopped`` (``findings`` say why) or ``paused``, with the exit code.
    """

    schema: str = JOB_EVENT_SCHEMA
    kind: Literal["state", "progress", "done", "refused", "stopped", "paused"]
    job: int | None = None
    state: str | None = None
    detail: str = ""
    done: int = 0
    total: int = 0
    findings: tuple[FindingDocument, ...] = ()
    exit_code: int | None = None


class JobHistoryDocument(msgspec.Struct, frozen=True):
    """One line of a job's history. ``at``: seconds since 1970. ``phase``: ``intent``, about to be done; ``outcome``, done."""

    at: int
    state: str
    phase: str
    detail: str


class JobRecordDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One job. ``reason``: why it does not go on. ``process``: the number of the process that works on it, null for none."""

    job: int
    created: int
    verb: str
    target: str
    state: str
    finished: bool
    reason: str
    process: int | None
    history: tuple[JobHistoryDocument, ...]


class JobDamageDocument(msgspec.Struct, frozen=True):
    """A record of the journal that cannot be read."""

    job: int | None
    problem: str


class JobsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain jobs --json`` prints. ``journal``: the directory it is in."""

    schema: str = JOBS_SCHEMA
    journal: str
    jobs: tuple[JobRecordDocument, ...]
    damage: tuple[JobDamageDocument, ...]


class AdoptDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain resume --adopt TARGET --json`` prints. ``searched``: directories in which other leaves were looked for."""

    schema: str = ADOPT_SCHEMA
    target: str
    findings: tuple[FindingDocument, ...]
    searched: tuple[str, ...]


def adopt_document(target: str, findings: Iterable[Finding], searched: tuple[str, ...]) -> AdoptDocument:
    """The JSON form of what another tool left."""
    return AdoptDocument(target=target, findings=tuple(map(finding_document, findings)), searched=searched)


def plan_document(
    plan: Plan | None, findings: Iterable[Finding], *, verb: str, target: str, refused: bool
) -> JobPlanDocument:
    """The JSON form of a plan, None where there can be none, and of what is to be said of it."""
    said = tuple(map(finding_document, findings))
    if plan is None:
        return JobPlanDocument(verb=verb, target=target, refused=refused, findings=said)
    return JobPlanDocument(
        verb=verb,
        target=target,
        refused=refused,
        chain=tuple(plan.layers[place].name for place in plan.old),
        new_chain=tuple(plan.layers[place].name for place in plan.new),
        copies=plan.copies,
        room=plan.room,
        steps=tuple(JobStepDocument(step.kind, step.words, step.file) for step in plan_steps(plan)),
        commands=tuple(nearest_commands(plan)),
        findings=said,
    )


def event_document(event: Event) -> JobEventDocument:
    """The JSON form of an event."""
    return JobEventDocument(
        kind=event.kind, job=event.job, state=event.state, detail=event.detail, done=event.done, total=event.total
    )


def end_document(
    kind: Literal["done", "refused", "stopped", "paused"],
    code: int,
    *,
    job: int | None = None,
    state: str | None = None,
    findings: Iterable[Finding] = (),
) -> JobEventDocument:
    """The last line."""
    return JobEventDocument(
        kind=kind, job=job, state=state, findings=tuple(map(finding_document, findings)), exit_code=code
    )


def jobs_document(journal: str, listed: Listed) -> JobsDocument:
    """The JSON form of the journal."""
    return JobsDocument(
        journal=journal,
        jobs=tuple(map(_job, listed.jobs)),
        damage=tuple(JobDamageDocument(each.id, each.problem) for each in listed.damage),
    )


def _job(listed: ListedJob) -> JobRecordDocument:
    job = listed.job
    return JobRecordDocument(
        job=job.id,
        created=job.created,
        verb=job.plan.verb,
        target=job.plan.target,
        state=job.state,
        finished=job.state in FINAL,
        reason=job.reason,
        process=job.owner.pid if job.owner is not None and job.running else None,
        history=tuple(JobHistoryDocument(each.at, each.state, each.phase, each.detail) for each in listed.history),
    )
