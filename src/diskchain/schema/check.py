"""``diskchain check --json``: schema ``diskchain/check/1``."""

from collections.abc import Sequence

import msgspec

from diskchain.findings import Finding
from diskchain.schema.base import FindingDocument, finding_document

CHECK_SCHEMA = "diskchain/check/1"


class TargetDocument(msgspec.Struct, frozen=True):
    """One target of ``diskchain check`` and what was found."""

    target: str
    findings: tuple[FindingDocument, ...]


class CheckDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain check --json`` prints."""

    schema: str = CHECK_SCHEMA
    targets: tuple[TargetDocument, ...]


def findings_of(document: CheckDocument) -> list[tuple[str, Finding]]:
    """What :func:`check_document` was given: every finding with its target. Nothing is lost."""
    return [(each.target, found.finding) for each in document.targets for found in each.findings]


def check_document(names: Sequence[str], found: Sequence[tuple[str, Finding]]) -> CheckDocument:
    """The JSON form of findings, each with the target it was found for."""
    by_target: dict[str, list[FindingDocument]] = {name: [] for name in names}
    for target, finding in found:
        by_target[target].append(finding_document(finding))
    return CheckDocument(targets=tuple(TargetDocument(name, tuple(mine)) for name, mine in by_target.items()))
