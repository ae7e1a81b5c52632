"""``diskchain explain --json``: schema ``diskchain/explain/1``."""

from collections.abc import Iterable

import msgspec

from diskchain.findings import Kind, Severity, Stops

EXPLAIN_SCHEMA = "diskchain/explain/1"


class KindDocument(msgspec.Struct, frozen=True, omit_defaults=True, rename="kebab"):
    """A kind of finding. ``could_not_tell``: it says nothing about the image itself (exit code 3). ``page``: Markdown, where it was asked for."""

    id: str
    severity: Severity
    title: str
    could_not_tell: bool = False
    stops: Stops | None = None
    page: str | None = None


class ExplainDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain explain --json`` prints: the kind that was asked for with its page, or all kinds."""

    schema: str = EXPLAIN_SCHEMA
    kinds: tuple[KindDocument, ...]


def explain_document(kinds: Iterable[tuple[str, Kind, str | None]]) -> ExplainDocument:
    """The JSON form of kinds: ids, rows of the table, pages."""
    return ExplainDocument(
        kinds=tuple(
            KindDocument(id, kind.severity, kind.title, kind.unknown, kind.stops, page) for id, kind, page in kinds
        )
    )
