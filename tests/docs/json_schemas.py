"""The JSON documents and where their schemas are published: ``python -m tests.docs.json_schemas`` writes them anew."""

import json
from pathlib import Path
from typing import Any

import msgspec

from diskchain import schema as documents

FOLDER = Path(__file__).parents[2] / "docs" / "schema"


def published() -> dict[str, type[msgspec.Struct]]:
    """Each kind of document by the name of its schema's file: ``diskchain/chain/1`` is in ``chain-1.json``."""
    kinds = {}
    for name in documents.__all__:
        kind = getattr(documents, name)
        if not isinstance(kind, type):
            continue
        for field in msgspec.structs.fields(kind):
            if field.name == "schema":
                _, subject, version = field.default.split("/")
                kinds[f"{subject}-{version}.json"] = kind
    return kinds


def text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, kind in published().items():
        (FOLDER / name).write_text(text(documents.schema(kind)))
