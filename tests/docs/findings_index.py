"""Every table of findings there is, and the page that lists them: ``python -m tests.docs.findings_index`` writes it anew."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from diskchain.findings import Kind

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "findings"
INDEX = PAGES / "index.md"

_HEAD = """\
# Findings

A finding is one thing that `diskchain` has to say about a file or a document. It has an id that never changes, a severity, the file,
who names that file, and, where there is one, the command that would mend it. diskchain never runs that command.

* **error**: the domain will not start, or loses data.
* **warning**: it may.
* **info**: good to know. These do not count for the [exit code](../exit-codes.md).

The severity below is the usual one; a page says when it differs. "3" marks what only means that diskchain could not tell.

"""


def tables() -> Iterator[tuple[str, dict[str, Kind]]]:
    """Each module of ours that has a table of kinds, by convention called ``KINDS``."""
    source = ROOT / "src"
    for path in sorted(source.rglob("*.py")):
        if re.search(r"^KINDS\b.*=", path.read_text(), re.MULTILINE):
            name = ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
            kinds = import_module(name).KINDS
            if all(isinstance(kind, Kind) for kind in kinds.values()):
                yield name, kinds


def all_kinds() -> dict[str, Kind]:
    """All tables in one; an id in two of them is an error."""
    merged: dict[str, Kind] = {}
    for name, kinds in tables():
        for id, kind in kinds.items():
            assert merged.get(id, kind) == kind, f"{name} has another kind called {id}"
            merged[id] = kind
    return merged


def index() -> str:
    """What ``docs/findings/index.md`` should be."""
    rows = [
        f"| [{id}]({id}.md) | {kind.severity} | {'3' if kind.unknown else ''} | {kind.title} |"
        for id, kind in sorted(all_kinds().items())
    ]
    return _HEAD + "\n".join(["| id | severity | | what it means |", "|---|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    INDEX.write_text(index())
