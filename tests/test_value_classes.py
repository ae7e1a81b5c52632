"""All value classes: who may be a NamedTuple, that equality knows classes, and that annotations can be read."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import import_module
from itertools import combinations
from pathlib import Path
from pkgutil import walk_packages
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

import diskchain
from tests.discover.written import write_qcow2

SOURCES = Path(diskchain.__file__).parent


def _classes() -> Iterator[type[Any]]:
    for module in walk_packages(diskchain.__path__, "diskchain."):
        if module.name != "diskchain.__main__":
            for value in list(vars(import_module(module.name)).values()):
                if isinstance(value, type) and value.__module__ == module.name:
                    yield value


CLASSES = list(_classes())
#: Without those that only hold the fields of another.
TUPLES = [
    kind
    for kind in CLASSES
    if issubclass(kind, tuple) and not any(issubclass(other, kind) and other is not kind for other in CLASSES)
]
DATACLASSES = [kind for kind in CLASSES if is_dataclass(kind)]


def _name(kind: type[Any]) -> str:
    return f"{kind.__module__.removeprefix('diskchain.')}.{kind.__name__}"


@pytest.mark.parametrize("kind", CLASSES, ids=_name)
def test_the_annotations_of_every_class_can_be_read(kind: type[Any]) -> None:
    hints = get_type_hints(kind)
    assert not any(isinstance(hint, str) for hint in hints.values())


def test_annotations_named_late_become_types() -> None:
    from diskchain.storage.encryption import Encryption
    from diskchain.storage.location import NetworkLocation
    from diskchain.storage.protocol_options import ProtocolOptions
    from diskchain.storage.source import Backing, Source

    assert get_type_hints(Source)["encryption"] == Encryption | None
    assert get_type_hints(Source)["backing"] == Backing
    assert get_type_hints(NetworkLocation)["options"] == ProtocolOptions | None


def test_no_more_than_four_modules_name_types_late() -> None:
    users = [path for path in SOURCES.rglob("*.py") if "diskchain._forward import" in path.read_text()]
    assert len(users) <= 4


@pytest.mark.parametrize("kind", DATACLASSES, ids=_name)
def test_every_dataclass_is_frozen_and_has_slots(kind: type[Any]) -> None:
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)


# --------------------------------------------------------------------------------------------------------- NamedTuples

_SHOW = """
import sys
from diskchain.cli.main import main
main(["show", *sys.argv[1:]])
print(*(name for name in sys.modules if name.startswith("diskchain.")), sep="\\n", file=sys.stderr)
"""


def test_a_named_tuple_is_only_what_showing_an_image_loads(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(512))
    loaded: list[str] = []
    for image in (raw, write_qcow2(tmp_path / "qcow2")):
        shown = subprocess.run(
            [sys.executable, "-c", _SHOW, image],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
        loaded += shown.stderr.splitlines()
    assert [_name(kind) for kind in TUPLES if kind.__module__ not in loaded] == []


def _by_position(path: Path) -> bool:
    """Whether a module makes tuples of a class of its choice, or asks for the places of fields."""
    return any(
        isinstance(node, ast.Attribute)
        and (
            node.attr in {"_fields", "_make", "_field_defaults"}
            or (node.attr == "__new__" and ast.unparse(node.value) == "tuple")
        )
        for node in ast.walk(ast.parse(path.read_text()))
    )


def test_the_search_for_fields_by_position_finds_them(tmp_path: Path) -> None:
    for line in ("new = tuple.__new__", "at = Source._fields.index('backing')", "value = Source._make(parts)"):
        (tmp_path / "planted.py").write_text(line)
        assert _by_position(tmp_path / "planted.py")


def test_only_the_module_of_a_named_tuple_makes_it_by_position() -> None:
    homes = {kind.__module__ for kind in TUPLES}
    for path in SOURCES.rglob("*.py"):
        module = ".".join(("diskchain", *path.relative_to(SOURCES).with_suffix("").parts))
        if _by_position(path):
            assert module in homes | {"diskchain.schema.info"}, f"{module} reads or writes fields by position"


# ------------------------------------------------------------------------------------------------------------ equality


class _Anything:
    """A value that is equal to itself alone."""


_ONE = _Anything()


def _filled(kind: type[Any]) -> object:
    """A value of a dataclass with the same in every field."""
    value = object.__new__(kind)
    for field in fields(kind):
        object.__setattr__(value, field.name, _ONE)
    return value


def test_dataclasses_with_the_same_in_all_fields_are_unequal() -> None:
    values = [_filled(kind) for kind in DATACLASSES]
    assert len(values) > 100
    for one, other in combinations(values, 2):
        assert one != other
    for value in values:
        assert value != tuple(getattr(value, field.name) for field in fields(type(value)))  # type: ignore[arg-type]
        assert value == _filled(type(value))


def _members(hint: Any) -> list[Any]:
    return (
        [one for each in get_args(hint) for one in _members(each)] if get_origin(hint) in (Union, UnionType) else [hint]
    )


def _words(hint: Any) -> set[object] | None:
    """All values of a type that has few; None: there may be any."""
    if get_origin(hint) is Literal:
        return set(get_args(hint))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return set(hint)
    return {True, False} if hint is bool else None


def _kind(hint: Any) -> object:
    """What values of a type can be equal to: anything of the same kind."""
    if get_origin(hint) is Literal:
        hint = type(get_args(hint)[0])
    origin = get_origin(hint) or hint
    for kind in (tuple, str, int, float):
        if isinstance(origin, type) and issubclass(origin, kind):
            return int if kind is float else kind
    return origin


def _may_be_equal(one: Any, other: Any) -> bool:
    """Whether a value of one type may be equal to one of the other."""
    for left in _members(one):
        for right in _members(other):
            if Any in (left, right) or object in (left, right):
                return True
            if _kind(left) is not _kind(right):
                continue
            words, others = _words(left), _words(right)
            if words is not None and others is not None and not words & others:
                continue
            if left in TUPLES and right in TUPLES and left is not right and not _tuples_may_be_equal(left, right):
                continue
            return True
    return False


def _tuples_may_be_equal(one: type[Any], other: type[Any]) -> bool:
    left, right = get_type_hints(one), get_type_hints(other)
    return len(left) == len(right) and all(map(_may_be_equal, left.values(), right.values()))


def test_the_comparison_of_types_knows_what_can_be_equal() -> None:
    assert _may_be_equal(int | None, str | None)
    assert _may_be_equal(bool, int)
    assert _may_be_equal(tuple[int, ...], tuple[str, ...])
    assert not _may_be_equal(int | None, str)
    assert not _may_be_equal(Literal["a"], Literal["b"])
    assert not _may_be_equal(tuple[int, ...], int)
    assert NoneType not in _members(int)


def test_two_named_tuples_are_never_equal() -> None:
    """Equality of tuples does not know classes, so the types of the fields have to tell them apart: by a literal ``type``, say."""
    assert len(TUPLES) < 40
    for one, other in combinations(TUPLES, 2):
        assert not _tuples_may_be_equal(one, other), f"{_name(one)} and {_name(other)} may be equal"


def test_a_record_of_a_schema_is_equal_to_its_own_kind_alone() -> None:
    records = [kind for kind in CLASSES if issubclass(kind, msgspec.Struct)]
    assert records
    assert not {*records} & {*TUPLES, *DATACLASSES}
