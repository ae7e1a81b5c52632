"""Types in annotations that are named before they exist, or without being imported; and how ``typing.get_type_hints`` finds them.

Python compiles a quoted annotation of a NamedTuple, and for the first one in a process prepares its whole compiler: a millisecond,
where all of ``diskchain show IMAGE`` may take 30. Nor may it import types that a plain image has no value of. So four modules that
every start loads (``storage.source``, ``storage.location``, ``image.header``, ``discover.chain``) name them by :class:`Late`; no
other needs to. Knows no other module.
"""

TYPE_CHECKING = False  # what typing's is to type checkers
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Annotated, TypeVar

    T = TypeVar("T")
    Late = Annotated[T, "named late"]
else:
    from types import GenericAlias

    class Late:
        """``Late["Source | None"]`` is ``Source | None`` to a type checker, and text at run time."""

        __class_getitem__ = classmethod(GenericAlias)


def named_late(**modules: str) -> "Callable[[type[T]], type[T]]":
    """A decorator for a class with :class:`Late` annotations: ``typing.get_type_hints`` works on it.

    ``modules``: where the names are that the class's own module imports for type checkers alone.
    """

    def with_hints(owner: "type[T]") -> "type[T]":
        owner.__no_type_check__ = _Hints(modules)  # type: ignore[attr-defined]
        return owner

    return with_hints


class _Hints:
    """``__no_type_check__`` of a class, which ``typing.get_type_hints`` reads before anything else: false, and all names are there."""

    __slots__ = ("_modules",)

    def __init__(self, modules: dict[str, str]) -> None:
        self._modules = modules

    def __get__(self, value: object, owner: type) -> bool:
        import sys
        from importlib import import_module

        names = vars(sys.modules[owner.__module__])
        for name, module in self._modules.items():
            names.setdefault(name, getattr(import_module(module), name))
        hints = owner.__annotations__
        hints.update(
            {name: hint.__args__[0] for name, hint in hints.items() if getattr(hint, "__origin__", None) is Late}
        )
        return False
