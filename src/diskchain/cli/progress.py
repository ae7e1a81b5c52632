"""A line on the terminal while many things are looked at, once that takes longer than people wait without wondering."""

import sys
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Final, Self

_SILENT: Final = 2.0  # seconds
_BETWEEN: Final = 0.2  # seconds from line to line


class Progress:
    """Says on stderr how far one is, if that is a terminal. A context manager: the line is gone at the end."""

    def __init__(self) -> None:
        self._next = monotonic() + _SILENT
        self._shown = False

    @property
    def tell(self) -> Callable[[int, int | None], None] | None:
        """To be told how many things were looked at, and of how many if that is known; None where nobody would see it."""
        return self._tell if sys.stderr.isatty() else None

    def _tell(self, done: int, total: int | None) -> None:
        if monotonic() >= self._next:
            self._next = monotonic() + _BETWEEN
            self._shown = True
            how_far = f"{done} found so far" if total is None else f"{done} of {total} looked at"
            print(f"\r{how_far}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
