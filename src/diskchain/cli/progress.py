"""A line on the terminal while many things are looked at, once that takes longer than people wait without wondering."""

import sys
from collections.abc import Iterable, Iterator
from time import monotonic
from types import TracebackType
from typing import Final, Self, TypeVar

T = TypeVar("T")

_SILENT: Final = 2.0  # seconds
_BETWEEN: Final = 0.2  # seconds from line to line


class Progress:
    """Says on stderr how far one is, if that is a terminal. A context manager: the line is gone at the end.

    ``total``: how many things there are.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._next = monotonic() + _SILENT
        self._shown = False

    def over(self, things: Iterable[T]) -> Iterator[T]:
        """The same things, counted."""
        if not sys.stderr.isatty():
            yield from things
            return
        for number, thing in enumerate(things):
            if monotonic() >= self._next:
                self._next = monotonic() + _BETWEEN
                self._shown = True
                print(f"\r{number} of {self._total} looked at", end="", file=sys.stderr, flush=True)
            yield thing

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
