"""A raw layer as extents: data and holes, as the file system tells them. Layers that cannot tell are data from end to end.

Source: lseek(2), SEEK_DATA; QEMU 7.2 ``block/file-posix.c`` (``find_allocation``): a hole reads as zeros.
"""

from typing import Final

import numpy as np

from diskchain.allocation.answers import DATA, PRESENT, ZERO
from diskchain.allocation.container import SECTOR, Container
from diskchain.allocation.extents import I64, NONE, NOWHERE, Extents, one
from diskchain.allocation.problems import Problems
from diskchain.units import GiB, KiB

_HOLE: Final = PRESENT | ZERO
_DATA: Final = PRESENT | DATA
#: A file system's block; a file of so many of them may be as fragmented.
_BLOCK: Final = 4 * KiB
_FEW_RUNS: Final = 1 << 18
_STEP: Final = GiB


class RawRanges:
    """The bytes of a raw image, or of one whose data are all in one place of its file, at ``at``.

    ``capacity``: bytes of the guest; None: all of the container, in whole sectors as QEMU counts. ``opaque``: a hole in the file says
    nothing of what the guest reads, since what is there is encrypted. ``fixed``: the format says that all of it is there, so that holes are data that read as zeros.
    """

    def __init__(
        self,
        container: Container,
        problems: Problems,
        *,
        at: int = 0,
        capacity: int | None = None,
        opaque: bool = False,
        fixed: bool = False,
    ) -> None:
        self.container = container
        self.problems = problems
        self.unit: int | None = _BLOCK
        self.capacity = -(-(container.size - at) // SECTOR) * SECTOR if capacity is None else capacity
        self._at = at
        self._opaque = opaque
        self._hole = _HOLE | DATA if fixed else _HOLE

    def weights(self) -> tuple[I64, I64]:
        """As those of tables; of a file that may have very many holes, a weight for each GiB."""
        blocks = self.container.facts.blocks or 0
        if not self.container.tells_holes or blocks * SECTOR // _BLOCK < _FEW_RUNS:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        starts = np.arange(0, self.capacity, _STEP, dtype=np.int64)
        return starts, np.full(len(starts), _STEP // _BLOCK)

    def extents(self, start: int, end: int) -> Extents:
        """Data and holes in [``start``, ``end``). Raises StorageError."""
        end = min(end, self.capacity)
        if start >= end:
            return NONE
        if self._opaque:
            return one(start, end, NOWHERE, _DATA)
        base = self._at
        if not self.container.tells_holes:
            return one(start, end, base + self.container.base + start, _DATA)
        edges: list[int] = [start]
        tags: list[int] = []
        position = start
        while position < end:
            found = self.container.data_from(base + position, base + end)
            if found is None:
                tags.append(self._hole)
                edges.append(end)
                break
            begins, stops = found[0] - base, found[1] - base
            if begins > position:
                tags.append(self._hole)
                edges.append(begins)
            if stops + base >= self.container.size:  # QEMU reads the rest of the last sector as zeros
                stops = min(end, -(-stops // SECTOR) * SECTOR)
            tags.append(_DATA)
            edges.append(stops)
            position = stops
        places = np.array(edges, np.int64)
        return Extents(places[:-1], places[1:], places[:-1] + (base + self.container.base), np.array(tags, np.uint32))

    def close(self) -> None:
        """Give the file back."""
        self.container.close()
