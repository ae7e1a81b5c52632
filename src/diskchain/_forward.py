"""Types in annotations that are named before they exist, or without being imported.

Python compiles a quoted annotation of a NamedTuple, and for the first one in a process prepares its whole compiler: a millisecond,
where all of ``diskchain show IMAGE`` may take 30. Knows no other module.
"""

TYPE_CHECKING = False  # what typing's is to type checkers
if TYPE_CHECKING:
    from typing import Annotated, TypeVar

    T = TypeVar("T")
    Late = Annotated[T, "named late"]
else:
    from types import GenericAlias

    class Late:
        """``Late["Source | None"]`` is ``Source | None`` to a type checker, and text at run time."""

        __class_getitem__ = classmethod(GenericAlias)
