"""Extents as single values, one run at a time: for people, for JSON, for a byte somebody asks about."""

from collections.abc import Iterable, Iterator

from diskchain.allocation.answers import COMPRESSED, DAMAGED, DATA, DEPTH_SHIFT, KIND_MASK, PRESENT, UNKNOWN, ZERO, Run
from diskchain.allocation.extents import Extents


def runs_of(windows: Iterable[Extents]) -> Iterator[Run]:
    """The runs of windows that follow each other; what a window cut is one again."""
    last: tuple[int, int, int, int] | None = None
    for window in windows:
        for start, end, host, tag in zip(*(column.tolist() for column in window), strict=True):
            if last is not None:
                before, stop, at, same = last
                if stop == start and same == tag and host == (at + stop - before if at >= 0 else at):
                    last = (before, end, at, same)
                    continue
                yield _run(*last)
            last = (start, end, host, tag)
    if last is not None:
        yield _run(*last)


def _run(start: int, end: int, host: int, tag: int) -> Run:
    kind = tag & KIND_MASK
    return Run(
        start,
        end - start,
        tag >> DEPTH_SHIFT,
        present=bool(kind & PRESENT),
        zero=bool(kind & ZERO),
        data=bool(kind & (DATA | DAMAGED)),
        compressed=bool(kind & COMPRESSED),
        offset=host if host >= 0 else None,
        damaged=bool(kind & DAMAGED),
        unknown=bool(kind & UNKNOWN),
    )
