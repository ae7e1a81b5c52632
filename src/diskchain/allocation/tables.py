"""What every reader of a layer's tables offers, and the reader of a layer that nobody can read."""

from typing import Protocol

import numpy as np

from diskchain.allocation.answers import UNKNOWN
from diskchain.allocation.container import Container
from diskchain.allocation.extents import I64, NOWHERE, Extents, one
from diskchain.allocation.problems import Problems


class Tables(Protocol):
    """The tables of one layer. ``capacity``: bytes of the guest. ``problems``: what could not be believed of what was read so far."""

    capacity: int
    problems: Problems
    #: Bytes that a write allocates at once: a cluster, or a part of one; None where nobody can tell.
    unit: int | None

    @property
    def container(self) -> Container | None:
        """The file they are in; None where it could not be opened."""

    def weights(self) -> tuple[I64, I64]:
        """Places of the disk, in order, and what reading the tables for each costs, in bytes: work is cut by that."""

    def extents(self, start: int, end: int) -> Extents:
        """What the layer answers for in [``start``, ``end``), at depth 0. Raises StorageError, ImageError."""

    def close(self) -> None:
        """Give the files back."""


class UnreadTables:
    """A layer of which nothing can be told: what it answers for, and what is below it, is unknown."""

    def __init__(self, capacity: int, problems: Problems) -> None:
        self.capacity = capacity
        self.problems = problems
        self.unit: int | None = None
        self.container: Container | None = None

    def weights(self) -> tuple[I64, I64]:
        """None: nothing is read."""
        return np.empty(0, np.int64), np.empty(0, np.int64)

    def extents(self, start: int, end: int) -> Extents:
        """Unknown, all of it."""
        return one(start, min(end, self.capacity), NOWHERE, UNKNOWN)

    def close(self) -> None:
        """Nothing is held."""
