"""The published schemas say what is true: a document is valid by its schema exactly when it can be read back."""

import copy
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.schema.documents import documents

from diskchain.errors import JsonError
from diskchain.schema import DOCUMENTS, Document, read, schema, to_json

VALIDATORS = {name: jsonschema.Draft202012Validator(schema(kind)) for name, kind in DOCUMENTS.items()}


def readable(document: Any) -> bool:
    try:
        read(json.dumps(document))
    except JsonError:
        return False
    return True


def places(document: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every value inside."""
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in inside:
        yield (*way, key)
        yield from places(value, (*way, key))


@pytest.mark.parametrize("name", DOCUMENTS)
@given(data=st.data())
def test_what_is_written_is_valid(name: str, data: st.DataObject) -> None:
    VALIDATORS[name].validate(json.loads(to_json(data.draw(documents(DOCUMENTS[name])))))


@pytest.mark.parametrize("name", DOCUMENTS)
@given(data=st.data())
def test_one_wrong_value_is_invalid_where_it_cannot_be_read_and_only_there(name: str, data: st.DataObject) -> None:
    document = json.loads(to_json(data.draw(documents(DOCUMENTS[name]))))
    *way, last = data.draw(st.sampled_from([way for way in places(document) if way != ("schema",)]))
    wrong = copy.deepcopy(document)
    holder = wrong
    for key in way:
        holder = holder[key]
    if isinstance(holder, dict) and data.draw(st.booleans()):
        del holder[last]
    else:
        holder[last] = data.draw(st.sampled_from([None, True, 1, "x", [], {}, [1], {"x": 1}]))
    assert VALIDATORS[name].is_valid(wrong) == readable(wrong)


@pytest.mark.parametrize("kind", DOCUMENTS.values(), ids=DOCUMENTS)
def test_no_word_of_a_schema_is_the_librarys(kind: type[Document], monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of msgspec 0.19 to 0.23 are three different ones for these types."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("msgspec was asked for a schema")

    before = schema(kind)
    for name in ("schema", "schema_components"):
        monkeypatch.setattr(msgspec.json, name, refuse)
    assert schema(kind) == before


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_and_every_part_is_described_and_names_its_schema(name: str) -> None:
    found = schema(DOCUMENTS[name])
    assert all(part["description"] for part in found["$defs"].values())
    top = found["$defs"][DOCUMENTS[name].__name__]
    assert top["properties"]["schema"] == {"const": name}
    assert top["required"][0] == "schema"


def test_a_type_no_document_has_had_is_no_guess() -> None:
    class Odd(msgspec.Struct):
        """Odd."""

        when: datetime

    with pytest.raises(TypeError, match="say here what its schema is"):
        schema(Odd)
