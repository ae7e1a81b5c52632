"""The JSON Schema of a document type, in our own words: the same text whatever version of msgspec is installed.

msgspec writes schemas, too, and writes them differently from one version to the next (docstrings with their indentation or without it).
What stands here is made of the types alone. Follows JSON Schema 2020-12.
"""

from inspect import cleandoc
from typing import Any, Final

import msgspec
from msgspec import inspect

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
#: The types that JSON Schema has a word for and we no more to say about.
_WORDS: Final = {
    inspect.StrType: "string",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
    inspect.NoneType: "null",
}


def schema(document: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of a document type. Raises TypeError for types that no document of ours has."""
    definitions: dict[str, Any] = {}
    top = _schema(inspect.type_info(document), definitions)
    return {"$schema": _DIALECT, **top, "$defs": definitions}


def _schema(type: inspect.Type, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of one type. Structs are added to ``definitions`` in the order they are met, and referred to."""
    if isinstance(type, inspect.StructType):
        name = type.cls.__name__
        if name not in definitions:
            definitions[name] = {}  # keeps its place before the structs inside it
            definitions[name] = _object(type, definitions)
        return {"$ref": f"#/$defs/{name}"}
    if isinstance(type, inspect.UnionType):
        return _union([_schema(each, definitions) for each in type.types])
    if isinstance(type, inspect.VarTupleType):
        return {"type": "array", "items": _schema(type.item_type, definitions)}
    if isinstance(type, inspect.DictType):
        return {"type": "object", "additionalProperties": _schema(type.value_type, definitions)}
    if isinstance(type, inspect.EnumType):
        return {"type": "string", "enum": [each.value for each in type.cls]}
    if isinstance(type, inspect.LiteralType):
        return {"type": "string", "enum": sorted(type.values)}
    if isinstance(type, inspect.AnyType):
        return {}
    word = _WORDS.get(type.__class__)
    if word is not None:
        return {"type": word}
    raise TypeError(f"no document has had a {type} so far; say here what its schema is")


def _object(type: inspect.StructType, definitions: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": cleandoc(type.cls.__doc__ or ""),
        "type": "object",
        "properties": {field.encode_name: _field(field, definitions) for field in type.fields},
        "required": [field.encode_name for field in type.fields if field.required or field.name == "schema"],
    }


def _field(field: inspect.Field, definitions: dict[str, Any]) -> dict[str, Any]:
    if field.name == "schema":
        return {"const": _default(field)}
    found = _schema(field.type, definitions)
    if field.required:
        return found
    default = _default(field)
    return {**found, "default": msgspec.to_builtins(default)}


def _default(field: inspect.Field) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _union(members: list[dict[str, Any]]) -> dict[str, Any]:
    """``{"type": ["string", "null"]}`` where all members are as plain as that, else ``anyOf``."""
    if all(member.keys() == {"type"} for member in members):
        return {"type": [member["type"] for member in members]}
    return {"anyOf": members}
