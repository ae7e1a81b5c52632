"""The text after ``json:`` as nested objects, and the one way to take values out of it: what nobody takes is an unknown key.

Knows JSON, dotted keys, and how far libvirt and QEMU convert between types. Must not know any driver. Sources: libvirt 11.3.0
``virJSONValueObjectDeflatten``; QEMU 7.2 ``qdict_flatten``, ``qobject_input_visitor_new_flat_confused``.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

from diskchain.errors import ReferenceSyntaxError
from diskchain.storage.reference.value import Dialect, Scalar

#: Most objects and arrays in one document, and most keys in one dotted key: more is nobody's disk.
_CONTAINERS_MAX: Final = 256
_DEPTH_MAX: Final = 16
_UNKNOWN_MAX: Final = 256

#: A JSON string, or one in single quotes, QEMU's extension. One that does not end matches too, so that none is tried twice.
_STRING: Final = re.compile(r"""("(?:[^"\\]|\\.)*(?:"|\\?\Z))|'((?:[^'\\]|\\.)*)(?:'|\\?\Z)""", re.DOTALL)
_QUOTE_IN_SINGLE: Final = re.compile(r"""(\\.)|(")""", re.DOTALL)

#: Last parts of keys whose value is a secret itself. (``…-secret`` names an object of QEMU's, and may stay; librados'
#: options, QEMU's ``=keyvalue-pairs``, are looked into where they mean something.)
SECRET_KEYS: Final = frozenset(
    ("password", "passphrase", "key", "secret", "cookie", "proxy-password", "=keyvalue-pairs")
)

#: QEMU's suffixes of sizes, ``qemu_strtosz``.
_SIZE_SUFFIXES: Final = {suffix: 1024**power for power, suffix in enumerate("bkmgtpe")}
_UINT64: Final = 1 << 64


def load(text: str, dialect: Dialect) -> dict[str, Any]:
    """The object ``text`` writes, dotted keys unfolded. Raises ReferenceSyntaxError, with nothing of the text in it."""
    # Brackets in strings open nothing, but are rare enough to count first.
    if _brackets(text) > _CONTAINERS_MAX and _brackets(_STRING.sub("", text)) > _CONTAINERS_MAX:
        raise ReferenceSyntaxError(f"JSON with more than {_CONTAINERS_MAX} objects and arrays")
    root, problem = _decoded(text)
    if root is None and dialect == "qemu" and "'" in text:
        root, problem = _decoded(_STRING.sub(_double_quoted, text))
    if not isinstance(root, dict):
        raise ReferenceSyntaxError(problem)
    if not text.isascii() or "\\u" in text:
        _check_strings(root)
    return root


def _brackets(text: str) -> int:
    return text.count("{") + text.count("[")


def _decoded(text: str) -> tuple[Any, str]:
    """The document, or None; and what is wrong if it is no object. Errors of ``json`` carry the text, so none gets out."""
    try:
        return _decode(text), "what follows json: is not an object"
    except ValueError as error:
        at = f", at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        return None, f"what follows json: is not JSON{at}"
    except RecursionError:
        return None, "JSON nested too deeply"


def _double_quoted(found: re.Match[str]) -> str:
    if found[1] is not None:
        return found[1]
    inner = _QUOTE_IN_SINGLE.sub(lambda c: "'" if c[1] == "\\'" else c[1] or '\\"', found[2])
    return f'"{inner}"'


def _unfold(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """One object; ``a.b`` becomes ``b`` inside ``a``. Raises ReferenceSyntaxError where two keys mean the same place."""
    plain = dict(pairs)
    if len(plain) < len(pairs):
        raise ReferenceSyntaxError("JSON with the same key twice")
    if "" in plain:
        raise ReferenceSyntaxError("JSON with an empty key")
    if "." not in "".join(plain):
        return plain
    whole: dict[str, Any] = {}
    for key, value in pairs:
        parts = key.split(".")
        if len(parts) > _DEPTH_MAX or "" in parts:
            raise ReferenceSyntaxError(f"JSON with a key of more than {_DEPTH_MAX} parts, or an empty one")
        inside = whole
        last = parts.pop()
        for part in parts:
            inside = inside.setdefault(part, {})
            if not isinstance(inside, dict):
                raise ReferenceSyntaxError("JSON where a dotted key goes through a value")
        if last in inside:
            _merge(inside, last, value)
        else:
            inside[last] = value
    return whole


def _merge(inside: dict[str, Any], key: str, value: Any) -> None:
    """Put ``value`` under ``key``; two objects under one key become one."""
    waiting = [(inside, key, value)]
    while waiting:
        into, name, new = waiting.pop()
        if name not in into:
            into[name] = new
        elif isinstance(into[name], dict) and isinstance(new, dict):
            waiting += [(into[name], inner, each) for inner, each in new.items()]
        else:
            raise ReferenceSyntaxError("JSON with the same key twice")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ReferenceSyntaxError("JSON with a number that is none")
    return number


_decode: Final = json.JSONDecoder(object_pairs_hook=_unfold, parse_float=_finite, parse_constant=_finite).decode


def _check_strings(root: dict[str, Any]) -> None:
    """Refuse NUL and what UTF-8 cannot hold, in keys and values: no reader takes them."""
    waiting: list[Any] = [root]
    try:
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                waiting += value
                waiting += value.values()
            elif isinstance(value, list):
                waiting += value
            elif isinstance(value, str):
                value.encode()
                if "\0" in value:
                    raise ReferenceSyntaxError("JSON with a NUL in a string")
    except UnicodeEncodeError:
        raise ReferenceSyntaxError("JSON with a string that is not UTF-8") from None


class Fields:
    """One object, emptied by whoever reads it. ``take_…`` give None for what is absent or of another type, and leave that."""

    __slots__ = ("dialect", "taken", "values")

    def __init__(self, values: dict[str, Any], dialect: Dialect) -> None:
        self.values = values
        self.dialect = dialect
        #: Objects taken out, by key. What they are left with is left of this one, too.
        self.taken: list[tuple[str, Fields]] = []

    def empty(self) -> bool:
        """Whether everything was read."""
        if self.values:
            return False
        for _, inner in self.taken:  # noqa: SIM110  # `all` of a generator costs more than reading a small object
            if not inner.empty():
                return False
        return True

    def take_string(self, key: str) -> str | None:
        """A string; QEMU takes a number or a boolean for one."""
        value = self.values.get(key)
        if isinstance(value, str):
            del self.values[key]
            return value
        if self.dialect == "qemu" and isinstance(value, int):
            del self.values[key]
            return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
        return None

    def take_number(self, key: str, problem: str) -> int | None:
        """A number from 0 below 2⁶⁴; None when absent. Raises ReferenceSyntaxError with ``problem`` for anything else."""
        if key not in self.values:
            return None
        value = self.values.pop(key)
        if isinstance(value, str) and self.dialect == "qemu":
            value = _size(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _UINT64:
            raise ReferenceSyntaxError(problem)
        return value

    def take_bool(self, key: str, problem: str) -> bool | None:
        """A boolean, or ``off`` (libguestfs), in QEMU's reading ``on`` too. Raises ReferenceSyntaxError with ``problem``."""
        if key not in self.values:
            return None
        value = self.values.pop(key)
        if value == "off" or (value == "on" and self.dialect == "qemu"):
            return bool(value == "on")
        if not isinstance(value, bool):
            raise ReferenceSyntaxError(problem)
        return value

    def take_object(self, key: str) -> "Fields | None":
        """An object, to be emptied in turn. One with the keys of an array is an array."""
        value = self.values.get(key)
        if not isinstance(value, dict) or _is_array(value):
            return None
        del self.values[key]
        inner = Fields(value, self.dialect)
        self.taken.append((key, inner))
        return inner

    def take_array(self, key: str) -> "list[Fields] | None":
        """An array of objects, written as one or with dotted keys. Raises ReferenceSyntaxError for other elements."""
        value = self.values.get(key)
        if isinstance(value, dict) and _is_array(value):
            value = [value[str(number)] for number in range(len(value))]
        if not isinstance(value, list):
            return None
        if not all(isinstance(each, dict) for each in value):
            raise ReferenceSyntaxError("JSON with a list of what should be objects")
        del self.values[key]
        elements = [Fields(each, self.dialect) for each in value]
        self.taken += [(f"{key}.{number}", each) for number, each in enumerate(elements)]
        return elements

    def rest(self, prefix: str = "") -> Iterator[tuple[str, Scalar]]:
        """What is left, as dotted keys that start with ``prefix``. Empty objects and arrays leave nothing."""
        waiting: list[tuple[str, str, Any]] = [("", prefix, self)]
        left = _UNKNOWN_MAX
        while waiting:
            above, key, value = waiting.pop()
            name = f"{above}.{key}" if above else key
            if isinstance(value, Fields):
                waiting += [(name, inner, each) for inner, each in reversed(value.taken)]
                value = value.values
            if isinstance(value, dict):
                waiting += [(name, inner, each) for inner, each in reversed(value.items())]
            elif isinstance(value, list):
                waiting += [(name, str(number), value[number]) for number in reversed(range(len(value)))]
            elif left:
                left -= 1
                yield name, value
            else:
                raise ReferenceSyntaxError(f"JSON with more than {_UNKNOWN_MAX} unknown keys")


def _is_array(value: dict[str, Any]) -> bool:
    return not value or ("0" in value and all(str(number) in value for number in range(len(value))))


def _size(text: str) -> int | None:
    """``64k`` as QEMU reads a size. None for what is none."""
    scale = 1
    if text[-1:].lower() in _SIZE_SUFFIXES:
        scale = _SIZE_SUFFIXES[text[-1:].lower()]
        text = text[:-1]
    return int(text) * scale if text.isascii() and text.isdecimal() and len(text) <= len(str(_UINT64)) else None
