"""Documents of any kind, made of their types alone, so that a new one, or a new key, is tested without anybody thinking of it."""

import os
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from diskchain.findings import Finding, Severity, Stops

_D = TypeVar("_D", bound=msgspec.Struct)

#: Text as headers, documents and directories give it to us: any bytes, as ``os.fsdecode`` has them.
TEXT = st.one_of(
    st.binary(max_size=12).map(os.fsdecode), st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
)
NUMBERS = st.integers(-(2**64), 2**64)
#: What JSON can say, for keys whose value is QEMU's business.
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
_PLAIN = {
    inspect.StrType: TEXT,
    inspect.IntType: NUMBERS,
    inspect.FloatType: st.floats(allow_nan=False, allow_infinity=False),
    inspect.BoolType: st.booleans(),
    inspect.NoneType: st.none(),
    inspect.AnyType: ANYTHING,
}


def documents(kind: type[_D]) -> st.SearchStrategy[_D]:
    """Documents of a kind, all keys given or not."""
    found: st.SearchStrategy[_D] = _of(inspect.type_info(kind))
    return found


def _of(type: inspect.Type) -> st.SearchStrategy[Any]:
    if isinstance(type, inspect.StructType):
        required = {field.name: _of(field.type) for field in type.fields if field.required}
        optional = {
            field.name: _of(field.type) for field in type.fields if not field.required and field.name != "schema"
        }
        return st.fixed_dictionaries(required, optional=optional).map(lambda given: type.cls(**given))
    if isinstance(type, inspect.UnionType):
        return st.one_of([_of(each) for each in type.types])
    if isinstance(type, inspect.VarTupleType):
        return st.lists(_of(type.item_type), max_size=2).map(tuple)
    if isinstance(type, inspect.DictType):
        return st.dictionaries(TEXT, _of(type.value_type), max_size=2)
    if isinstance(type, inspect.EnumType):
        return st.sampled_from(list(type.cls))
    if isinstance(type, inspect.LiteralType):
        return st.sampled_from(type.values)
    return _PLAIN[type.__class__]


FINDINGS = st.builds(
    Finding,
    id=TEXT,
    severity=st.sampled_from(Severity),
    message=TEXT,
    file=st.none() | TEXT,
    referrer=st.none() | TEXT,
    line=st.none() | NUMBERS,
    fix=st.none() | TEXT,
    allowed=st.lists(TEXT, max_size=2).map(tuple),
    stops=st.none() | st.sampled_from(Stops),
    disk=st.none() | TEXT,
    layer=st.none() | TEXT,
)


def says_all_of(now: Any, then: Any) -> bool:
    """Whether ``now`` has every key and value of ``then``; it may have further keys."""
    if isinstance(then, dict):
        return all(key in now and says_all_of(now[key], value) for key, value in then.items())
    if isinstance(then, list):
        return len(now) == len(then) and all(map(says_all_of, now, then))
    return bool(now == then)
