"""Every document comes back from its text as it was; what is no document of ours is refused, with the reason."""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.schema.documents import ANYTHING, FINDINGS, TEXT, documents, says_all_of

from diskchain.errors import JsonError, NewerSchema, OtherSchema, ParseError, UnknownSchema
from diskchain.findings import Finding, finding
from diskchain.schema import (
    DOCUMENTS,
    ChainDocument,
    CheckDocument,
    Document,
    FindingDocument,
    check_document,
    complete_document,
    finding_document,
    read,
    read_as,
    to_json,
)
from diskchain.schema.check import findings_of

EARLIER = Path(__file__).parent / "earlier"
CHECK = to_json(check_document(["vm.xml"], [("vm.xml", finding("missing", "gone", file="/x"))]))


@pytest.mark.parametrize("kind", DOCUMENTS.values(), ids=DOCUMENTS)
@given(data=st.data())
def test_what_is_written_is_read_back(kind: type[Document], data: st.DataObject) -> None:
    document = data.draw(documents(kind))
    again = read(to_json(document))
    assert type(again) is kind
    assert again == document
    assert to_json(again) == to_json(document)
    assert read(to_json(document).encode()) == document


@given(FINDINGS)
def test_a_finding_comes_back_whole(found: Finding) -> None:
    written = msgspec.to_builtins(finding_document(found))
    again = msgspec.convert(json.loads(json.dumps(written)), FindingDocument).finding
    assert again == found
    assert [type(each) for each in again] == [type(each) for each in found]


def test_a_document_of_findings_carries_all_that_a_finding_has() -> None:
    assert FindingDocument.__struct_fields__ == Finding._fields


@given(st.lists(st.tuples(st.sampled_from(["vm.xml", "\udcff", "/a b"]), FINDINGS), max_size=4))
def test_all_findings_of_a_check_come_back_with_their_targets(found: list[tuple[str, Finding]]) -> None:
    document = check_document(["vm.xml", "\udcff", "/a b"], found)
    again = findings_of(read_as(CheckDocument, to_json(document)))
    assert sorted(again, key=repr) == sorted(found, key=repr)


@given(st.binary())
def test_a_completed_document_comes_back_byte_for_byte(xml: bytes) -> None:
    document = complete_document("vm.xml", xml, [], changed=True)
    assert read(to_json(document)) == document
    assert document.xml == xml


def test_a_document_that_was_written_to_a_file_is_not_repeated() -> None:
    document = complete_document("vm.xml", b"<domain/>", [], changed=False, written="/out.xml")
    assert (document.text, document.xml, document.written) == (None, None, "/out.xml")


@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_any_file_name_comes_back_byte_for_byte(name: bytes) -> None:
    found = finding("missing", "gone", file=os.fsdecode(name))
    text = to_json(check_document([os.fsdecode(name)], [(os.fsdecode(name), found)]))
    assert text.isascii()
    [(target, again)] = findings_of(read_as(CheckDocument, text))
    assert again.file is not None
    assert (os.fsencode(target), os.fsencode(again.file)) == (name, name)


def test_keys_of_a_later_diskchain_are_passed_over() -> None:
    later = json.loads(CHECK)
    later["hosts"] = [1, 2]
    later["targets"][0]["findings"][0]["weather"] = {"rain": True}
    assert read(json.dumps(later)) == read(CHECK)


@pytest.mark.parametrize("path", sorted(EARLIER.iterdir()), ids=lambda path: path.stem)
def test_a_document_of_an_earlier_diskchain_is_read(path: Path) -> None:
    """Recorded before keys were added. A file here is never changed, only added."""
    document = read(path.read_bytes(), origin=path.name)
    assert document.schema == json.loads(path.read_bytes())["schema"]
    assert says_all_of(json.loads(to_json(document)), json.loads(path.read_bytes()))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "no JSON object"),
        ('"diskchain/check/1"', "no JSON object"),
        ("{}", "names no schema"),
        ('{"schema": 1}', "names no schema"),
        ('{"schema": null}', "names no schema"),
        ('{"schema": "diskchain/weather/1"}', "diskchain/weather/1, which is no schema of diskchain"),
        ('{"schema": "diskchain/check/0"}', "diskchain/check/0, which is no schema"),
        ('{"schema": "diskchain/check/1 "}', "no schema of diskchain"),
        ('{"schema": "diskchain/check/1", "targets": 1}', "targets"),
        ('{"schema": "diskchain/check/1"}', "targets"),
        ('{"schema": "diskchain/check/1", "targets": NaN}', "NaN is no number"),
        ('{"schema": "diskchain/check/1", "targets": [], "\\udc80": 1}', "no Unicode text"),
        ("[" * 100_000, "nested too deep"),
        ('{"schema": "diskchain/check/1", "targets": ' + "9" * 5000 + "}", "not JSON"),
        (b"\xff\xfe{\0}\0", "not UTF-8"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_document_of_ours_is_refused_with_the_reason(text: str | bytes, says: str) -> None:
    with pytest.raises(JsonError, match=re.escape(says)) as refused:
        read(text, origin="saved.json")
    assert str(refused.value).startswith("saved.json: ")


def test_a_document_that_breaks_its_schema_is_refused_with_the_place() -> None:
    broken = CHECK.replace('"error"', '"terrible"')
    with pytest.raises(JsonError, match=r"\$\.targets\[0\]\.findings\[0\]\.severity") as refused:
        read(broken)
    assert refused.value.schema == "diskchain/check/1"
    assert not isinstance(refused.value, UnknownSchema)


@pytest.mark.parametrize("version", ["2", "999999999"])
def test_a_later_version_says_what_would_read_it(version: str) -> None:
    with pytest.raises(NewerSchema, match="a newer diskchain reads it") as refused:
        read(CHECK.replace("check/1", f"check/{version}"))
    assert (refused.value.schema, refused.value.newest) == (f"diskchain/check/{version}", "diskchain/check/1")


def test_a_document_of_another_kind_than_asked_for_is_refused() -> None:
    with pytest.raises(OtherSchema) as refused:
        read_as(ChainDocument, CHECK)
    assert (refused.value.schema, refused.value.expected) == ("diskchain/check/1", "diskchain/chain/1")


def test_no_more_is_read_than_the_bound() -> None:
    assert read(CHECK, most=len(CHECK)) == read(CHECK)
    with pytest.raises(JsonError, match="longer than"):
        read(CHECK, most=len(CHECK) - 1)
    with pytest.raises(JsonError, match="bytes"):
        read(CHECK.encode(), most=len(CHECK) - 1)


@given(st.one_of(TEXT, st.binary(), ANYTHING.map(json.dumps)))
def test_any_text_is_a_document_or_an_error_of_ours(text: str | bytes) -> None:
    with contextlib.suppress(ParseError):
        read(text)


@given(kind=st.sampled_from(sorted(DOCUMENTS)), rest=st.dictionaries(TEXT, ANYTHING, max_size=3))
def test_any_object_with_a_schema_is_a_document_or_an_error_of_ours(kind: str, rest: dict[str, Any]) -> None:
    with contextlib.suppress(JsonError):
        assert read(json.dumps({**rest, "schema": kind})).schema == kind


def test_each_name_is_imported_from_where_it_lives_whichever_is_first() -> None:
    program = (
        "import diskchain.schema as s\n"
        "names = list(s.__all__)[{}]\n"
        "values = [getattr(s, name) for name in names]\n"
        "import types\n"
        "assert not any(isinstance(value, types.ModuleType) for value in values)\n"
        "assert set(s._HOMES) == set(s.__all__)\n"
    )
    for order in ("::1", "::-1"):
        subprocess.run([sys.executable, "-c", program.format(order)], check=True)


def test_a_document_loads_no_other() -> None:
    program = "import sys, diskchain.schema; diskchain.schema.CheckDocument; print('diskchain.access' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False\n"
