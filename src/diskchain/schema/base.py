"""What all JSON documents share: how a finding looks, how a document becomes text, and its JSON Schema."""

import json
from inspect import cleandoc
from typing import Any

import msgspec

from diskchain.findings import Finding


class FindingDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """One finding. ``id`` is stable and documented; ``fix`` is a shell command that would mend it."""

    id: str
    severity: str
    message: str
    file: str | None = None
    referrer: str | None = None
    line: int | None = None
    fix: str | None = None


def finding_document(found: Finding) -> FindingDocument:
    """The JSON form of a finding."""
    return FindingDocument(
        found.id, str(found.severity), found.message, found.file, found.referrer, found.line, found.fix
    )


def to_json(document: msgspec.Struct) -> str:
    """Indented ASCII JSON. File names that are not UTF-8 keep their bytes as lone surrogates, escaped."""
    return json.dumps(msgspec.to_builtins(document), indent=2, ensure_ascii=True)


def schema(document: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a document type. The same whatever version of msgspec made it."""
    found: dict[str, Any] = _tidied(msgspec.json.schema(document))
    return found


def _tidied(part: Any) -> Any:
    """``part`` with docstrings unindented: msgspec does that from 0.20 to 0.22 only."""
    if isinstance(part, dict):
        return {
            key: cleandoc(value) if key == "description" and isinstance(value, str) else _tidied(value)
            for key, value in part.items()
        }
    return [_tidied(each) for each in part] if isinstance(part, list) else part
