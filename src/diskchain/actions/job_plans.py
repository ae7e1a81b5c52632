"""``commit``, ``snapshot`` … as plans: the disk is found, the chain looked at, all that stands in the way said at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diskchain.actions.examined import DEFAULT, Settings
from diskchain.actions.job_target import JobTarget, job_target, with_document
from diskchain.actions.target import TargetName
from diskchain.errors import UsageError
from diskchain.findings import Finding, Severity, finding
from diskchain.jobs.plan import Plan
from diskchain.jobs.planning.commit import Planned, plan_commit
from diskchain.jobs.planning.snapshot import plan_snapshot
from diskchain.jobs.preflight import preflight


@dataclass(frozen=True, slots=True)
class JobWishes:
    """What all jobs can be told.

    ``verify``: the proof is wanted. ``bandwidth`` in bytes a second, 0: as fast as it goes. ``search``: directories searched for other
    overlays of the chain's files, with all below them.
    """

    verify: bool = True
    bandwidth: int = 0
    search: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A plan, None where there can be none, and everything to be said of it."""

    plan: Plan | None
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> bool:
        """Whether it must not be carried out."""
        return self.plan is None or any(found.severity is Severity.ERROR for found in self.findings)


NO_WISHES = JobWishes()


def commit(
    name: TargetName,
    disks: Sequence[str] = (),
    *,
    top: str | None = None,
    base: str | None = None,
    delete: bool = False,
    wishes: JobWishes = NO_WISHES,
    settings: Settings = DEFAULT,
) -> PlannedJob:
    """Merge the layers from ``top`` (default: the active one) down into ``base`` (default: the last), and have the disk go without them.

    ``delete``: their files are deleted once the disk is proven to read the same. Raises UsageError, StorageError, XmlError, PeerError.
    """
    if delete and not wishes.verify:
        raise UsageError("nothing is deleted without the proof: leave out --no-verify or --delete")
    target = job_target(name, disks, settings)
    if target.draft.refused:
        return PlannedJob(None, target.draft.refused)
    first = 0 if top is None else target.position(top)
    last = None if base is None else target.position(base)
    planned = plan_commit(target.draft, first, last, delete=delete)
    if delete and first == 0 and target.number is None:
        message = (
            "which document names the active layer is not known, so it is not deleted: "
            "name the document, or a domain with -c, or leave out --delete"
        )
        planned = Planned(planned.plan, (*planned.findings, finding("job-document", message)))
    return _finished(target, planned, wishes)


def snapshot(
    name: TargetName,
    disks: Sequence[str] = (),
    *,
    overlay: str | None = None,
    wishes: JobWishes = NO_WISHES,
    settings: Settings = DEFAULT,
) -> PlannedJob:
    """A new ``overlay`` over the active layer. Raises as :func:`commit`."""
    target = job_target(name, disks, settings)
    return _finished(target, plan_snapshot(target.draft, overlay), wishes)


def _finished(target: JobTarget, planned: Planned, wishes: JobWishes) -> PlannedJob:
    """With the wishes, the document, and what the host says."""
    if planned.plan is None:
        return PlannedJob(None, planned.findings)
    plan = replace(planned.plan, verify=wishes.verify, bandwidth=wishes.bandwidth)
    if plan.nothing_to_do:
        return PlannedJob(plan, planned.findings)
    plan, unwritten = with_document(target, plan)
    checked = preflight(plan, wishes.search, target.name.timeout)
    return PlannedJob(plan, (*planned.findings, *unwritten, *checked.findings))
