"""With ``--json`` standard output is a document even where an error ends the verb."""

from pathlib import Path

import pytest
from tests.cli.commands import Outcome, diskchain

from diskchain.errors import (
    DiskchainError,
    ImageError,
    LayerNotFound,
    ParseError,
    PolicyRefusal,
    SecretMissing,
    StorageTimeout,
    UnsupportedReference,
    UsageError,
    XmlError,
)
from diskchain.report.exit_codes import OF_FAULT, OUTCOMES
from diskchain.schema import ErrorDocument, error_document, read_as, to_json


def document(shown: Outcome) -> ErrorDocument:
    """The one document on standard output, which agrees with the exit code and standard error."""
    found = read_as(ErrorDocument, shown.out)
    assert found.exit_code == shown.code
    assert found.outcome == OUTCOMES[shown.code]
    assert shown.err.splitlines()[-1].endswith(f": {found.message}")
    return found


@pytest.mark.parametrize(
    "words",
    [["show", "--json"], ["diff", "--json"], ["info", "--json"], ["secrets", "--json"], ["blockdev", "--as", "json"]],
)
def test_a_missing_file_is_told_on_standard_output_too(words: list[str], tmp_path: Path) -> None:
    gone = tmp_path / "gone.xml"
    shown = diskchain(*words, gone)
    found = document(shown)
    assert found.verb == words[0]
    assert found.fault in ("host", "caller")


def test_the_file_of_an_error_keeps_its_bytes(tmp_path: Path) -> None:
    found = document(diskchain("show", "--json", f"{tmp_path}/\udcff"))
    assert (found.error, found.path) == ("storage-missing", f"{tmp_path}/\udcff")


def test_a_malformed_document_says_the_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.xml"
    bad.write_text("<domain>\n<devices>\n</domain>\n")
    found = document(diskchain("show", "--json", bad))
    assert (found.error, found.path, found.line) == ("xml-error", str(bad), 3)


@pytest.mark.parametrize(
    "words",
    [
        ["show", "--json"],
        ["show", "--jsno", "--json", "x"],
        ["show", "--js", "--policy", "none", "x"],
        ["blockdev", "--as=json", "--nonsense"],
        ["frobnicate", "--json"],
        ["check", "--json"],
    ],
    ids=" ".join,
)
def test_a_usage_mistake_is_a_document_too(words: list[str]) -> None:
    found = document(diskchain(*words))
    assert (found.error, found.fault, found.outcome) == ("usage-error", "caller", "usage")


def test_without_json_nothing_stands_on_standard_output(tmp_path: Path) -> None:
    assert diskchain("show", tmp_path / "gone").out == ""
    assert diskchain("access", tmp_path / "gone", "--as", "json").out == ""
    assert diskchain("open", tmp_path / "gone", "--", "cat", "--json").out == ""


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (StorageTimeout("does not answer", path="/slow"), {"error": "storage-timeout", "path": "/slow"}),
        (
            XmlError("odd", origin="a.xml", line=7, allowed=("x", "y")),
            {"path": "a.xml", "line": 7, "allowed": ("x", "y")},
        ),
        (ParseError("odd"), {"error": "parse-error", "path": None, "line": None}),
        (ImageError("odd", format="qcow2", offset=72), {"format": "qcow2", "offset": 72, "fault": "image"}),
        (SecretMissing("nowhere", layer="vda[1]"), {"error": "secret-missing", "layer": "vda[1]"}),
        (LayerNotFound("none", name="vda[9]"), {"error": "layer-not-found", "layer": "vda[9]"}),
        (UnsupportedReference("odd", driver="x"), {"error": "unsupported-reference"}),
        (
            PolicyRefusal("no", reference="https://me:secret@host/x", rule="remote"),
            {"reference": "https://me:…@host/x", "rule": "remote"},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_tells_its_facts(error: DiskchainError, facts: dict[str, object]) -> None:
    code = OF_FAULT[error.fault]
    found = error_document(error, exit_code=code, outcome=OUTCOMES[code], verb="show")
    assert {name: getattr(found, name) for name in facts} == facts
    assert read_as(ErrorDocument, to_json(found)) == found


def test_what_is_derived_from_an_error_elsewhere_has_the_word_of_the_tree() -> None:
    class Local(UsageError):
        pass

    assert error_document(Local("x"), exit_code=2, outcome="usage").error == "usage-error"
