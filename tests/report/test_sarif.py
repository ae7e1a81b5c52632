"""A SARIF log that code-scanning services take: URIs, texts and fingerprints, whatever a file is called."""

import json
import re
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.schema.documents import FINDINGS, TEXT

from diskchain.findings import KINDS, Finding, Severity, finding
from diskchain.report.sarif import sarif

#: RFC 3986, 4.1: characters of a URI reference.
_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-F]{2})+")
_TITLES = {id: kind.title for id, kind in KINDS.items()}


def run_of(*found: Finding) -> Any:
    """The one run of a log."""
    (run,) = json.loads(sarif([("target", each) for each in found], _TITLES))["runs"]
    return run


def location(run: Any) -> Any:
    return run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]


@given(st.text(st.characters(exclude_characters="\0"), min_size=1))
def test_any_file_name_is_a_uri(name: str) -> None:
    assert _URI.fullmatch(location(run_of(finding("missing", "gone", file=name)))["uri"])


@pytest.mark.parametrize("name", ["a b", "a:b", "-x", "/a b", "/$(touch x)", "nbd:host", "/\udcff", "new\nline"])
def test_a_file_name_can_be_had_back_from_its_uri(name: str) -> None:
    uri = location(run_of(finding("missing", "gone", file=name)))["uri"]
    assert unquote(uri.removeprefix("file://"), errors="surrogateescape") == name
    assert ":" not in uri.removeprefix("file://")


def test_what_lies_in_the_working_directory_is_named_relative_to_it(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = run_of(finding("missing", "gone", file=f"{tmp_path}/sub/base.qcow2"))
    assert location(run) == {"uri": "sub/base.qcow2", "uriBaseId": "%SRCROOT%"}
    assert run["originalUriBaseIds"]["%SRCROOT%"]["uri"] == f"{tmp_path.as_uri()}/"
    assert location(run_of(finding("missing", "gone", file="/other"))) == {"uri": "file:///other"}
    assert location(run_of(finding("missing", "gone", file="nbd://h:1/x"))) == {"uri": "nbd://h:1/x"}


def test_a_result_says_which_disk_and_layer_of_which_target_and_what_libvirt_refuses() -> None:
    found = finding("target-name", "odd", allowed=("vda", "sda"))._replace(disk="vda", layer="vda[2]")
    (result,) = json.loads(sarif([("my vm\udcff.xml", found)], _TITLES))["runs"][0]["results"]
    assert result["properties"] == {
        "target": r"my vm\xff.xml",
        "targetUri": "my%20vm%FF.xml",
        "disk": "vda",
        "layer": "vda[2]",
        "stops": "define",
        "allowed": ["vda", "sda"],
    }
    (logical,) = result["locations"][0]["logicalLocations"]
    assert logical == {"name": "vda[2]", "fullyQualifiedName": r"my vm\xff.xml vda[2]", "kind": "resource"}


def test_what_is_about_no_disk_names_none() -> None:
    (result,) = run_of(finding("missing", "gone", file="/x"))["results"]
    assert result["properties"] == {"target": "target", "targetUri": "target", "stops": "start"}
    assert "logicalLocations" not in result["locations"][0]


@given(FINDINGS, TEXT)
def test_a_log_is_unicode_whatever_names_hold(found: Finding, target: str) -> None:
    log = sarif([(target, found._replace(id="missing"))], _TITLES)
    assert json.dumps(json.loads(log), ensure_ascii=False).encode()


def test_a_file_name_makes_no_link() -> None:
    run = run_of(finding("missing", "no such file: [click](https://evil.example)", file="/x"))
    assert run["results"][0]["message"]["text"] == r"no such file: \[click](https://evil.example)"


def test_a_fingerprint_is_that_of_the_next_run_even_if_lines_move() -> None:
    found = [finding("document", "a", file="vm.xml", line=line) for line in (4, 9)]
    moved = [each._replace(line=each.line + 3) for each in found if each.line]
    prints = [
        [result["partialFingerprints"]["primaryLocationLineHash"] for result in run_of(*each)["results"]]
        for each in (found, moved)
    ]
    assert prints[0] == prints[1]
    assert len(set(prints[0])) == len(found)


def test_every_rule_says_where_cause_and_cure_are_and_how_bad_it_is() -> None:
    run = run_of(finding("dirty", "x", severity=Severity.INFO), finding("dirty", "x"), finding("loop", "x"))
    dirty, loop = run["tool"]["driver"]["rules"]
    assert "docs/findings/dirty.md" in dirty["help"]["text"]
    assert (dirty["defaultConfiguration"]["level"], loop["defaultConfiguration"]["level"]) == ("warning", "error")
    assert [result["level"] for result in run["results"]] == ["note", "warning", "error"]
    assert all("helpUri" not in rule for rule in (dirty, loop)), "it would have to be absolute"
