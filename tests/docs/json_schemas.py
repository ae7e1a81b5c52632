"""The JSON documents and where their schemas are published: ``python -m tests.docs.json_schemas`` writes them anew."""

import json
from pathlib import Path
from typing import Any

import msgspec

from diskchain import schema as documents

FOLDER = Path(__file__).parents[2] / "docs" / "schema"


def published() -> dict[str, type[msgspec.Struct]]:
    """Each kind of document by the name of its schema's file: ``diskchain/chain/1`` is in ``chain-1.json``."""
    return {file_name(schema): kind for schema, kind in documents.DOCUMENTS.items()}


def file_name(schema: str) -> str:
    _, subject, version = schema.split("/")
    return f"{subject}-{version}.json"


def text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, kind in published().items():
        (FOLDER / name).write_text(text(documents.schema(kind)))
