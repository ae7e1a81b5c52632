"""``diskchain diff --json``: schema ``diskchain/diff/1``."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from diskchain.checks.compare import Row, Seen
from diskchain.findings import Finding
from diskchain.schema.base import FindingDocument, finding_document
from diskchain.storage.location import describe_location

DIFF_SCHEMA = "diskchain/diff/1"


class SeenDocument(msgspec.Struct, frozen=True, rename="kebab"):
    """One layer in one view. ``data_file``: where its data is, if the view says that it is elsewhere."""

    filename: str
    format: str | None
    data_file: str | None = None


class PositionDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """One position in each view: a layer, ``"end"``, ``"absent"`` (no such disk), or null where the view says nothing."""

    position: int
    agree: bool
    document: SeenDocument | str | None
    headers: SeenDocument | str | None
    running: SeenDocument | str | None
    next_start: Literal["document", "headers"]


class DiffDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain diff --json`` prints: positions from the top, and what is wrong with the headers, by disk."""

    schema: str = DIFF_SCHEMA
    target: str
    disks: dict[str, tuple[PositionDocument, ...]]
    findings: dict[str, tuple[FindingDocument, ...]] = {}


def diff_document(target: str, disks: Sequence[tuple[str, Sequence[Row], tuple[Finding, ...]]]) -> DiffDocument:
    """The JSON form of a comparison: of each disk its name, its positions, and the findings about its headers."""
    return DiffDocument(
        target=target,
        disks={name: tuple(map(_position, rows)) for name, rows, _ in disks},
        findings={name: tuple(map(finding_document, findings)) for name, _, findings in disks},
    )


def _position(row: Row) -> PositionDocument:
    return PositionDocument(
        position=row.position,
        agree=row.agree,
        document=_seen(row.document),
        headers=_seen(row.headers),
        running=_seen(row.running),
        next_start=row.next_start,
    )


def _seen(view: Seen | str | None) -> SeenDocument | str | None:
    if isinstance(view, Seen):
        return SeenDocument(
            describe_location(view.location),
            str(view.format) if view.format else None,
            describe_location(view.data) if view.data is not None else None,
        )
    return view
