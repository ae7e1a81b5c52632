"""Findings as SARIF 2.1.0, the format code-scanning services take. Source: OASIS SARIF 2.1.0, sections 3.13 to 3.37."""

import json
from collections.abc import Sequence
from typing import Any, Final

from diskchain import __version__
from diskchain.findings import Finding, Severity

_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def sarif(findings: Sequence[tuple[str, Finding]], titles: dict[str, str]) -> str:
    """A SARIF log of findings, each with the target it was found for. ``titles``: what each id means."""
    ids = sorted({found.id for _, found in findings})
    rules = [
        {"id": id, "shortDescription": {"text": titles.get(id, id)}, "helpUri": f"docs/findings/{id}.md"} for id in ids
    ]
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "diskchain", "version": __version__, "rules": rules}},
                "results": [_result(target, found, ids) for target, found in findings],
            }
        ],
    }
    return json.dumps(log, indent=2, ensure_ascii=True)


def _result(target: str, found: Finding, ids: list[str]) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(found.file or target)}}
    if found.line is not None:
        location["region"] = {"startLine": found.line}
    result: dict[str, Any] = {
        "ruleId": found.id,
        "ruleIndex": ids.index(found.id),
        "level": _LEVELS[found.severity],
        "message": {"text": found.message + (f"\nfix: {found.fix}" if found.fix else "")},
        "locations": [{"physicalLocation": location}],
    }
    if found.referrer is not None:
        related = {"artifactLocation": {"uri": _uri(found.referrer)}}
        result["relatedLocations"] = [{"physicalLocation": related, "message": {"text": "named here"}}]
    return result


def _uri(path: str) -> str:
    from urllib.parse import quote

    return ("file://" if path.startswith("/") else "") + quote(path, errors="surrogateescape")
