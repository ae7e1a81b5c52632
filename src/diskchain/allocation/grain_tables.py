"""Maps of two levels as extents: a directory of tables, whose entries name grains. Every format but qcow2 has one like that.

What the entries mean is the format's (:mod:`diskchain.allocation.grain_formats`). A format with a single table has a directory of its pieces.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from diskchain.allocation.answers import DATA, PRESENT
from diskchain.allocation.container import Container
from diskchain.allocation.extents import I64, NONE, NOWHERE, U32, Extents, clipped, joined, merged
from diskchain.allocation.preallocation import Holes
from diskchain.allocation.problems import Problems

#: Entries of a table → where in the file each grain is (-1: nowhere that is one place), and its tag, 0 where the layer does not answer.
Decode = Callable[[NDArray[Any]], tuple[I64, U32]]
#: Entries of a piece of a single table.
PIECE: Final = 8192


class GrainTables:
    """The tables of one image.

    ``directory``: where each table is in the file, 0 for none. ``per_table``: its entries, each of ``dtype`` and for ``grain`` bytes of the disk.
    """

    def __init__(  # noqa: PLR0913  # the shape of a table
        self,
        container: Container,
        problems: Problems,
        directory: I64,
        *,
        capacity: int,
        grain: int,
        per_table: int,
        dtype: str,
        decode: Decode,
        holes: Holes | None = None,
    ) -> None:
        """``holes``: of the file, where what lies in them reads as zeros."""
        self._holes = holes
        self.container = container
        self.problems = problems
        self.capacity = capacity
        self.unit: int | None = grain
        self._grain, self._per_table, self._dtype, self._decode = grain, per_table, np.dtype(dtype), decode
        self._directory = self._checked(directory)

    def _checked(self, directory: I64) -> I64:
        beyond = (directory < 0) | (directory >= max(self.container.size, 1))
        if beyond.any():
            at = np.flatnonzero(beyond)
            places = tuple(f"entry {each} names {int(directory[each]):#x}" for each in at[:3])
            self.problems.note(
                "tables behind the end of the file, where nothing is found", places=places, count=len(at)
            )
        return np.where(beyond, 0, directory)

    def weights(self) -> tuple[I64, I64]:
        """As those of all tables."""
        used = np.flatnonzero(self._directory)
        size = self._per_table * self._dtype.itemsize
        return used * (self._per_table * self._grain), np.full(len(used), size)

    def extents(self, start: int, end: int) -> Extents:
        """What this layer answers for in [``start``, ``end``). Raises StorageError."""
        end = min(end, self.capacity)
        if start >= end:
            return NONE
        reach = self._per_table * self._grain
        first = start // reach
        numbers = np.flatnonzero(self._directory[first : -(-end // reach)]) + first
        parts = [self._table(number, start, end) for number in numbers.tolist()]
        found = clipped(joined([part for part in parts if len(part.start)]), start, end)
        return found if self._holes is None else self._holes.marked(found)

    def _table(self, number: int, start: int, end: int) -> Extents:
        base = number * self._per_table * self._grain
        low = max(0, start - base) // self._grain
        high = min(self._per_table, -(-(end - base) // self._grain))
        raw = np.zeros((high - low) * self._dtype.itemsize, np.uint8)
        self.container.read_into(int(self._directory[number]) + low * self._dtype.itemsize, raw.data)
        host, tag = self._decode(raw.view(self._dtype))
        there = tag != 0
        begin = (base + np.arange(low, high, dtype=np.int64) * self._grain)[there]
        host, tag = host[there], tag[there]
        beyond = (host >= self.container.size) & ((tag & np.uint32(DATA)) != 0)
        if beyond.any():
            at = np.flatnonzero(beyond)
            places = tuple(f"disk offset {int(begin[each]):#x}" for each in at[:3])
            self.problems.note("data behind the end of the file", places=places, count=len(at))
        return merged(Extents(begin, begin + self._grain, host, tag))

    def close(self) -> None:
        """Give the file back."""
        self.container.close()


class WholeTable:
    """A table that was read as a whole: ``host`` and ``tag`` of each block of ``grain`` bytes."""

    def __init__(  # a table and what it is of
        self, container: Container, problems: Problems, capacity: int, grain: int, host: I64, tag: U32
    ) -> None:
        self.container = container
        self.problems = problems
        self.capacity = capacity
        self.unit: int | None = grain
        start = np.arange(len(host), dtype=np.int64) * grain
        there = tag != 0
        self._extents = merged(Extents(start[there], start[there] + grain, host[there], tag[there]))

    def weights(self) -> tuple[I64, I64]:
        """None: all is read."""
        return np.empty(0, np.int64), np.empty(0, np.int64)

    def extents(self, start: int, end: int) -> Extents:
        """What this layer answers for in [``start``, ``end``)."""
        return clipped(self._extents, start, min(end, self.capacity))

    def close(self) -> None:
        """Give the file back."""
        self.container.close()


def plain(host: I64, used: NDArray[np.bool_], otherwise: int = 0) -> tuple[I64, U32]:
    """Places and tags of grains that are data where they are ``used``; the tag of the others."""
    return np.where(used, host, NOWHERE), np.where(used, np.uint32(PRESENT | DATA), np.uint32(otherwise))


def pieces_of(at: int, entries: int, size: int) -> I64:
    """A single table of ``entries`` of ``size`` bytes at ``at`` as a directory of its pieces."""
    count = -(-entries // PIECE)
    return at + np.arange(count, dtype=np.int64) * (PIECE * size)
