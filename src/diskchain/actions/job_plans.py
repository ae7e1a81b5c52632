"""``commit``, ``snapshot`` … as plans: the disk is found, the chain looked at, all that stands in the way said at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diskchain.actions.examined import DEFAULT, Settings
from diskchain.actions.image_target import image_target
from diskchain.actions.job_domains import other_domains
from diskchain.actions.job_target import JobTarget, job_target, with_document
from diskchain.actions.read_document import document_of
from diskchain.actions.relocate_document import relocate_document
from diskchain.actions.target import TargetName
from diskchain.errors import UsageError
from diskchain.findings import Finding, Severity, finding
from diskchain.jobs.plan import Plan
from diskchain.jobs.planning.commit import Planned, plan_commit
from diskchain.jobs.planning.copy import plan_copy
from diskchain.jobs.planning.pull import plan_pull
from diskchain.jobs.planning.rebase import plan_rebase
from diskchain.jobs.planning.relocate import Moves, plan_relocate
from diskchain.jobs.planning.snapshot import plan_snapshot
from diskchain.jobs.preflight import preflight
from diskchain.storage.terms import Format
from diskchain.system.paths import absolute_path


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


def pull(
    name: TargetName,
    disks: Sequence[str] = (),
    *,
    base: str | None = None,
    wishes: JobWishes = NO_WISHES,
    settings: Settings = DEFAULT,
) -> PlannedJob:
    """The active layer takes in all that is between it and ``base`` (default: all there is), and is over that then. Raises as :func:`commit`."""
    target = job_target(name, disks, settings)
    if target.draft.refused:
        return PlannedJob(None, target.draft.refused)
    return _finished(target, plan_pull(target.draft, None if base is None else target.position(base)), wishes)


def copy(  # noqa: PLR0913 - a keyword for each thing that can be chosen
    name: TargetName,
    destination: str,
    disks: Sequence[str] = (),
    *,
    shallow: bool = False,
    pivot: bool = False,
    output_format: Format | None = None,
    wishes: JobWishes = NO_WISHES,
    settings: Settings = DEFAULT,
) -> PlannedJob:
    """The disk, or with ``shallow`` its active layer alone, in a new file. ``pivot``: the document names the copy then.

    Raises as :func:`commit`, and UsageError for a pivot without a document.
    """
    target = job_target(name, disks, settings)
    if pivot and target.number is None:
        raise UsageError("--pivot changes a document: name one, or a domain with -c, as the target")
    planned = plan_copy(target.draft, destination, shallow=shallow, format=output_format)
    return _finished(target, planned, wishes, document=pivot)


def rebase(
    name: TargetName,
    onto: str,
    disks: Sequence[str] = (),
    *,
    metadata_only: bool = False,
    wishes: JobWishes = NO_WISHES,
    settings: Settings = DEFAULT,
) -> PlannedJob:
    """The active layer over the image ``onto``, reading the same. ``metadata_only``: no data are copied. Raises as :func:`commit`."""
    target = job_target(name, disks, settings)
    base = job_target(TargetName(onto, timeout=name.timeout), (), settings)
    planned = plan_rebase(target.draft, base.draft, metadata_only=metadata_only)
    return _finished(target, planned, wishes)


def relocate(name: TargetName, moves: Moves, settings: Settings = DEFAULT) -> PlannedJob:
    """Names in the headers of an image's chain, or of the disks of a document and in it, that are other names now, written anew.

    One job; a document's disks that share layers are one chain after the other. Raises UsageError, StorageError, XmlError.
    """
    document = document_of(name)
    if document is None:
        image_target(name)  # what is no image is told of as in every verb
        planned = plan_relocate(name.name, absolute_path(name.name), moves)
        return _checked(planned, name.timeout)
    return _checked(relocate_document(document, moves), settings.timeout)


def _checked(planned: Planned, seconds: float) -> PlannedJob:
    if planned.plan is None or planned.plan.nothing_to_do:
        return PlannedJob(planned.plan, planned.findings)
    checked = preflight(planned.plan, (), seconds)
    return PlannedJob(planned.plan, (*planned.findings, *checked.findings))


def _finished(target: JobTarget, planned: Planned, wishes: JobWishes, *, document: bool = True) -> PlannedJob:
    """With the wishes, the ``document`` if it is to be changed, and what the host says."""
    if planned.plan is None:
        return PlannedJob(None, planned.findings)
    plan = replace(planned.plan, verify=wishes.verify, bandwidth=wishes.bandwidth)
    if plan.nothing_to_do:
        return PlannedJob(plan, planned.findings)
    plan, unwritten = with_document(target, plan) if document else (plan, [])
    checked = preflight(plan, wishes.search, target.name.timeout)
    domain = None if target.examined.view is None else target.examined.view.document.domain
    others: list[Finding] = []
    if target.name.connect is not None and domain is not None:
        others = [*other_domains(target.name.connect, domain.uuid, plan, DEFAULT)]
    return PlannedJob(plan, (*planned.findings, *unwritten, *others, *checked.findings))
