"""``diskchain check --json``: schema ``diskchain/check/1``."""

from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from diskchain.findings import Finding
from diskchain.schema.base import FindingDocument, finding_document, to_json

CHECK_SCHEMA = "diskchain/check/1"

_AT_ONCE = 256  # targets; each piece of the text costs as much as three of them


class WalkedDocument(msgspec.Struct, frozen=True, rename="kebab"):
    """What is below a directory. ``unread``: directories that cannot be read. ``passed_over``: how many of what, by its name in the plural."""

    images: int
    documents: int
    unread: int
    passed_over: dict[str, int]


class TargetDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """One target of ``diskchain check`` and what was found. ``walked``: it is a directory; what is in it are targets of their own.

    ``ignored``: how many findings were left out by ``--ignore``.
    """

    target: str
    findings: tuple[FindingDocument, ...]
    walked: WalkedDocument | None = None
    ignored: int = 0


class CheckDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain check --json`` prints."""

    schema: str = CHECK_SCHEMA
    targets: tuple[TargetDocument, ...]


def findings_of(document: CheckDocument) -> list[tuple[str, Finding]]:
    """What :func:`check_document` was given: every finding with its target. Nothing is lost."""
    return [(each.target, found.finding) for each in document.targets for found in each.findings]


def target_document(
    name: str, findings: Iterable[Finding], walked: WalkedDocument | None = None, ignored: int = 0
) -> TargetDocument:
    """The JSON form of one target."""
    return TargetDocument(name, tuple(map(finding_document, findings)), walked, ignored)


def check_json(targets: Iterable[TargetDocument]) -> str:
    """As ``to_json(CheckDocument(targets=…))``, without keeping all of them: there may be many."""
    left = iter(targets)
    pieces = []
    while some := tuple(islice(left, _AT_ONCE)):
        pieces.append(_between_brackets(CheckDocument(targets=some)))
    empty = to_json(CheckDocument(targets=()))
    return empty.replace("[]", f"[{','.join(pieces)}\n  ]") if pieces else empty


def _between_brackets(document: CheckDocument) -> str:
    text = to_json(document)
    return text[text.index("[") + 1 : text.rindex("\n  ]")]


def check_document(names: Sequence[str], found: Sequence[tuple[str, Finding]]) -> CheckDocument:
    """The JSON form of findings, each with the target it was found for."""
    by_target: dict[str, list[FindingDocument]] = {name: [] for name in names}
    for target, finding in found:
        by_target[target].append(finding_document(finding))
    return CheckDocument(targets=tuple(TargetDocument(name, tuple(mine)) for name, mine in by_target.items()))
