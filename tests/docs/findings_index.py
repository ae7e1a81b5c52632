"""Every table of findings there is, and the page that lists them: ``python -m tests.docs.findings_index`` writes it anew."""

from pathlib import Path

from diskchain.findings import KINDS

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "findings"
INDEX = PAGES / "index.md"

_HEAD = """\
# Findings

A finding is one thing that `diskchain` has to say about a file or a document. It has an id that never changes, a severity, the file,
who names that file, and, where there is one, the command that would mend it. diskchain never runs that command. `diskchain explain ID` prints the page of a finding.

* **error**: the domain will not start, or loses data.
* **warning**: it may.
* **info**: good to know; called a note on the screen. These do not count for the [exit code](../exit-codes.md).

The severity below is the usual one; a page says when it differs. "3" marks what only means that diskchain could not tell.

"""


def index() -> str:
    """What ``docs/findings/index.md`` should be."""
    rows = [
        f"| [{id}]({id}.md) | {kind.severity} | {'3' if kind.unknown else ''} | {kind.title} |"
        for id, kind in sorted(KINDS.items())
    ]
    return _HEAD + "\n".join(["| id | severity | | what it means |", "|---|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    INDEX.write_text(index())
