"""``diskchain grant --json``: schema ``diskchain/grant/1``."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from diskchain.access.grants.apply import Granted
from diskchain.access.grants.changes import AddEntry, AddMode, Change
from diskchain.access.grants.plan import Plan, Step
from diskchain.findings import Finding
from diskchain.schema.base import FindingDocument, finding_document
from diskchain.system.posix_acl import show_permission

GRANT_SCHEMA = "diskchain/grant/1"


class ChangeDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change.

    ``acl``: an entry for user ``uid`` with at least ``permissions`` (``rw-``); ``mode``: the permission bits ``permissions`` (octal) are
    set; ``owner``: ``uid`` becomes the owner.
    """

    kind: Literal["acl", "mode", "owner"]
    uid: int | None = None
    permissions: str | None = None


class NamedByDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who named a file: the command line, a document, a libvirt domain, or the header of an image. ``name``: which of these."""

    by: Literal["command line", "document", "domain", "header"]
    name: str | None = None


class StepDocument(msgspec.Struct, frozen=True, rename="kebab"):
    """One file or directory. ``changes`` empty: its state is recorded as it is. ``fix``: a shell command with the same effect."""

    filename: str
    access: str
    because: tuple[str, ...]
    named_by: tuple[NamedByDocument, ...]
    changes: tuple[ChangeDocument, ...]
    fix: str | None


class InTheWayDocument(msgspec.Struct, frozen=True):
    """What the plan does not remove. ``refused``: no right is granted because of it; ``unknown``: it may be in the way.

    ``fix``: a shell command for a person to decide on.
    """

    filename: str
    reason: str
    refused: bool
    unknown: bool
    fix: str | None


class GrantDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What ``diskchain grant --json`` prints.

    ``complete``: the steps are enough. ``grant``: the number of the grant that carried them out, null where nothing was changed.
    ``elsewhere``: what is no file on this host, and was not looked at. ``journal-problem``: why they could not be written into the journal.
    ``findings``: of disks that cannot be read in the document, and so are not planned for.
    """

    schema: str = GRANT_SCHEMA
    target: str
    operation: str
    user: str
    policy: str
    complete: bool
    grant: int | None
    steps: tuple[StepDocument, ...]
    in_the_way: tuple[InTheWayDocument, ...]
    elsewhere: tuple[str, ...]
    journal_problem: str | None
    findings: tuple[FindingDocument, ...] = ()


def grant_document(
    plan: Plan,
    granted: Granted | None,
    findings: Iterable[Finding] = (),
    *,
    target: str,
    operation: str,
    policy: str,
    journal_problem: str | None,
) -> GrantDocument:
    """The JSON form of a plan, and of the grant that carried it out, if any. ``findings``: of disks that nobody can read."""
    left = [InTheWayDocument(rest.path, rest.reason, False, rest.unknown, rest.command) for rest in plan.left]  # noqa: FBT003
    refused = [InTheWayDocument(each.path, each.reason, True, each.unknown, None) for each in plan.refused]  # noqa: FBT003
    return GrantDocument(
        target=target,
        operation=operation,
        user=str(plan.who),
        policy=policy,
        complete=plan.complete,
        grant=None if granted is None else granted.grant.id,
        steps=tuple(map(_step, plan.steps)),
        in_the_way=(*left, *refused),
        elsewhere=plan.elsewhere,
        journal_problem=journal_problem,
        findings=tuple(map(finding_document, findings)),
    )


def change_document(change: Change) -> ChangeDocument:
    """The JSON form of a change."""
    if isinstance(change, AddEntry):
        return ChangeDocument("acl", change.uid, show_permission(change.perm))
    if isinstance(change, AddMode):
        return ChangeDocument("mode", None, f"{change.bits:04o}")
    return ChangeDocument("owner", change.uid)


def _step(step: Step) -> StepDocument:
    return StepDocument(
        filename=step.path,
        access=str(step.access),
        because=step.because,
        named_by=tuple(NamedByDocument(each.by.value, each.name or None) for each in step.named),
        changes=tuple(map(change_document, step.changes)),
        fix=step.command,
    )
