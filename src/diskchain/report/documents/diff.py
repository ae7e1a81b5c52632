"""``diskchain diff --json``: schema ``diskchain/diff/1``."""

from collections.abc import Sequence

import msgspec

from diskchain.discover.compare import Row, Seen
from diskchain.storage.location import describe_location

DIFF_SCHEMA = "diskchain/diff/1"


class SeenDocument(msgspec.Struct, frozen=True):
    """One layer in one view."""

    filename: str
    format: str | None


class PositionDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """One position in each view: a layer, ``"end"``, or null where the view says nothing."""

    position: int
    agree: bool
    document: SeenDocument | str | None
    headers: SeenDocument | str | None
    running: SeenDocument | str | None
    next_start: str


class DiffDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain diff --json`` prints: positions from the top, by disk."""

    schema: str = DIFF_SCHEMA
    target: str
    disks: dict[str, tuple[PositionDocument, ...]]


def diff_document(target: str, disks: Sequence[tuple[str, Sequence[Row]]]) -> DiffDocument:
    """The JSON form of a comparison."""
    return DiffDocument(target=target, disks={name: tuple(map(_position, rows)) for name, rows in disks})


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
        return SeenDocument(describe_location(view.location), str(view.format) if view.format else None)
    return view
