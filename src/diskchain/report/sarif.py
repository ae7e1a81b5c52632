"""Findings as SARIF 2.1.0, the format code-scanning services take. Source: OASIS SARIF 2.1.0, sections 3.10 to 3.49.

File names come from images: none may become a link (3.11.6) or another kind of URI than that of a file.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

from diskchain import __version__
from diskchain.errors import printable
from diskchain.findings import Finding, Severity

_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_SEVERITIES: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "recommendation"}
_WORST_FIRST: Final = (Severity.ERROR, Severity.WARNING, Severity.INFO)
#: The base of relative names: where diskchain was started, which in CI is the repository.
_ROOT: Final = "%SRCROOT%"
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_LINK: Final = re.compile(r"\[(?=[^\]]*\]\()")
#: RFC 3986, 2.2 and 2.1: what may stand in a URI besides letters and digits.
_URI_CHARACTERS: Final = ":/?#[]@!$&'()*+,;=%"


def sarif(
    findings: Sequence[tuple[str, Finding]], titles: dict[str, str], ignored: frozenset[str] = frozenset()
) -> str:
    """A SARIF log of findings, each with the target it was found for. ``titles``: what each id means.

    ``ignored``: ids whose findings are suppressed (3.35).
    """
    ids = {id: number for number, id in enumerate(sorted({found.id for _, found in findings}))}
    root = f"file://{_quoted(_here())}"
    met: Counter[str] = Counter()
    run = {
        "tool": {"driver": {"name": "diskchain", "version": __version__, "rules": _rules(findings, ids, titles)}},
        "invocations": [{"executionSuccessful": True}],
        "originalUriBaseIds": {_ROOT: {"uri": root}},
        "results": [
            _result(target, found, ids, met) | ({"suppressions": [{"kind": "external"}]} if found.id in ignored else {})
            for target, found in findings
        ],
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=True)


def _rules(
    findings: Sequence[tuple[str, Finding]], ids: dict[str, int], titles: dict[str, str]
) -> list[dict[str, Any]]:
    said: dict[str, set[Severity]] = {}
    for _, found in findings:
        said.setdefault(found.id, set()).add(found.severity)
    return [_rule(id, titles.get(id, id), next(each for each in _WORST_FIRST if each in said[id])) for id in ids]


def _rule(id: str, title: str, worst: Severity) -> dict[str, Any]:
    """No ``helpUri``: that has to be absolute, and the pages come with diskchain."""
    text = f"{title[:1].upper()}{title[1:]}."
    page = f"docs/findings/{id}.md"
    return {
        "id": id,
        "shortDescription": {"text": title},
        "fullDescription": {"text": text},
        "help": {
            "text": f"{text} Cause and cure: {page} in diskchain's documentation.",
            "markdown": f"{text}\n\nCause and cure: `{page}` in diskchain's documentation.",
        },
        "defaultConfiguration": {"level": _LEVELS[worst]},
        "properties": {"problem.severity": _SEVERITIES[worst], "tags": ["disk-image"]},
    }


def _result(target: str, found: Finding, ids: dict[str, int], met: Counter[str]) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": _artifact(found.file or target)}
    if found.line is not None:
        physical["region"] = {"startLine": found.line}
    told = found.message + (f"\nfix: {found.fix}" if found.fix else "")
    result: dict[str, Any] = {
        "ruleId": found.id,
        "ruleIndex": ids[found.id],
        "level": _LEVELS[found.severity],
        "message": {"text": "\n".join(printable(_LINK.sub(r"\\[", line)) for line in told.split("\n"))},
        "locations": [{"physicalLocation": physical, **_logical(target, found)}],
        "partialFingerprints": {"primaryLocationLineHash": _fingerprint(physical, found, met)},
        "properties": _properties(target, found),
    }
    if found.referrer:
        related = {"artifactLocation": _artifact(found.referrer)}
        result["relatedLocations"] = [{"physicalLocation": related, "message": {"text": "named here"}}]
    return result


def _logical(target: str, found: Finding) -> dict[str, Any]:
    """The disk, or the layer of it, that a finding is about (3.33): ``vda[2]`` of the target. Nothing where it is about no disk."""
    name = found.layer or found.disk
    if name is None:
        return {}
    qualified = f"{printable(target)} {printable(name)}"
    return {"logicalLocations": [{"name": printable(name), "fullyQualifiedName": qualified, "kind": "resource"}]}


def _properties(target: str, found: Finding) -> dict[str, Any]:
    """What SARIF has no place for (3.8). Names are shown as people see them; ``targetUri`` is the target byte for byte."""
    given: dict[str, Any] = {"target": printable(target), "targetUri": _artifact(target)["uri"]}
    for key in ("disk", "layer", "stops"):
        value: str | None = getattr(found, key)
        if value is not None:
            given[key] = printable(value)
    if found.allowed:
        given["allowed"] = list(map(printable, found.allowed))
    return given


def _fingerprint(physical: dict[str, Any], found: Finding, met: Counter[str]) -> str:
    """The same in every run, whatever line it is in or how large things are by then; numbered where it comes up again."""
    facts = (found.id, physical["artifactLocation"]["uri"], found.referrer or "")
    digest = sha256("\0".join(facts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    met[digest] += 1
    return f"{digest}:{met[digest]}"


def _artifact(name: str) -> dict[str, str]:
    """Where a file is: relative to the working directory if it lies below that, so that a service finds it in its repository."""
    if _URI.match(name):
        return {"uri": _quoted(name, _URI_CHARACTERS)}
    path = name.removeprefix(_here())
    if path.startswith("/"):
        return {"uri": f"file://{_quoted(path)}"}
    return {"uri": _quoted(path), "uriBaseId": _ROOT}


def _quoted(name: str, safe: str = "/") -> str:
    """For a URI. A name that can be no file's, because a JSON string held half a character, is quoted as well."""
    try:
        return quote(os.fsencode(name), safe)
    except UnicodeEncodeError:
        return quote(name.encode("utf-8", "surrogatepass"), safe)


def _here() -> str:
    """The working directory, with a slash at its end; just that when it was deleted."""
    try:
        return f"{os.getcwd().rstrip('/')}/"
    except OSError:
        return "/"
