"""Values as tests look at them: what is inside one, and whether two are the same, types included."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass


def parts(value: object) -> dict[str, object]:
    """What stands in ``value``, by the name of its field or its place; nothing in what is no value of several parts."""
    if isinstance(value, tuple):
        names = getattr(value, "_fields", range(len(value)))
        return {str(name): part for name, part in zip(names, value, strict=True)}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return {}


def values(value: object) -> Iterator[object]:
    """``value`` and every value inside it."""
    yield value
    for part in parts(value).values():
        yield from values(part)


def same(one: object, other: object) -> bool:
    """Whether two values are equal and of one type, and so is everything inside them: ``1`` is not ``True``, nor a tuple a Source."""
    waiting = [(one, other)]
    while waiting:
        left, right = waiting.pop()
        if type(left) is not type(right):
            return False
        inside, beside = parts(left), parts(right)
        if inside.keys() != beside.keys() or (not inside and left != right):
            return False
        waiting += [(part, beside[name]) for name, part in inside.items()]
    return True
