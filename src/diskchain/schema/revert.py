"""``diskchain revert --json``: schema ``diskchain/revert/1``."""

from collections.abc import Iterable

import msgspec

from diskchain.access.grants.journal_schema import Contents, Damage, Grant, Hold
from diskchain.access.grants.revert import Outcome
from diskchain.schema.grant import ChangeDocument, change_document

REVERT_SCHEMA = "diskchain/revert/1"


class HoldDocument(msgspec.Struct, frozen=True):
    """One file that a grant holds. ``changes`` empty: its state was recorded as it was. ``phase``: planned, applied or reverting."""

    filename: str
    access: str
    phase: str
    changes: tuple[ChangeDocument, ...]


class GrantRecordDocument(msgspec.Struct, frozen=True):
    """One grant that is not given back in full. ``created``: seconds since 1970. ``over``: the process it was for no longer runs.

    ``process``: its number, null where none was named. Of a damaged record only ``grant`` is known.
    """

    grant: int
    damaged: bool
    created: int | None
    target: str | None
    operation: str | None
    uid: int | None
    gid: int | None
    process: int | None
    over: bool
    files: tuple[HoldDocument, ...]


class OutcomeDocument(msgspec.Struct, frozen=True):
    """What became of one file. ``done``: the journal no longer has it for this grant.

    ``grant`` and ``filename`` are null where a damaged record does not tell.
    """

    grant: int | None
    filename: str | None
    result: str
    done: bool
    reason: str


class DamageDocument(msgspec.Struct, frozen=True):
    """A record of the journal that cannot be read. ``table``: grant, hold, file or attribute; what cannot be told is null."""

    table: str
    id: int | None
    grant: int | None
    filename: str | None
    problem: str


class RevertDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What ``diskchain revert --json`` prints: what was given back, and what the journal has after that.

    ``journal-problem``: why nothing can be given back, though the journal can be read.
    """

    schema: str = REVERT_SCHEMA
    journal: str
    outcomes: tuple[OutcomeDocument, ...]
    grants: tuple[GrantRecordDocument, ...]
    damage: tuple[DamageDocument, ...]
    journal_problem: str | None


def revert_document(
    journal: str, outcomes: Iterable[Outcome], contents: Contents, journal_problem: str | None = None
) -> RevertDocument:
    """The JSON form. ``journal``: the directory it is in."""
    return RevertDocument(
        journal=journal,
        outcomes=tuple(
            OutcomeDocument(each.grant, each.path, str(each.result), each.done, each.reason) for each in outcomes
        ),
        grants=tuple(_grant(grant, contents.holds) for grant in contents.grants),
        damage=tuple(map(_damage, contents.damage)),
        journal_problem=journal_problem,
    )


def _grant(grant: Grant, holds: Iterable[Hold]) -> GrantRecordDocument:
    files = tuple(
        HoldDocument(hold.file.path, str(hold.access), str(hold.phase), tuple(map(change_document, hold.changes)))
        for hold in holds
        if hold.grant == grant.id
    )
    if grant.damaged:
        return GrantRecordDocument(grant.id, True, None, None, None, None, None, None, False, files)  # noqa: FBT003
    process = None if grant.holder is None else grant.holder.pid
    return GrantRecordDocument(
        grant=grant.id,
        damaged=False,
        created=grant.created,
        target=grant.target,
        operation=grant.operation,
        uid=grant.uid,
        gid=grant.gid,
        process=process,
        over=grant.over,
        files=files,
    )


def _damage(damage: Damage) -> DamageDocument:
    return DamageDocument(damage.table, damage.id, damage.grant, damage.path, damage.problem)
