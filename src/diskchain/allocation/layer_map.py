"""The map of a chain: which layer answers for which bytes of the guest's disk, window by window, so that memory stays flat.

Knows no format. Nothing is open between two questions. What a map cannot know is said by :attr:`LayerMap.findings` of the last question,
and is unknown in the map: never guessed.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np

from diskchain.allocation.answers import UNKNOWN, ZERO, LayerTotals, Run
from diskchain.allocation.extents import NONE, NOWHERE, Extents, at_depth, clipped, folded, joined, merged, one, overlay
from diskchain.allocation.open_layer import FAR, Opener, open_here, open_tables
from diskchain.allocation.runs import runs_of
from diskchain.allocation.tables import Tables
from diskchain.allocation.totals import Tally
from diskchain.discover import BackingChain, Layer
from diskchain.errors import DiskchainError, StorageError
from diskchain.findings import Finding, finding
from diskchain.storage.location import describe_location
from diskchain.storage.source import Terminator
from diskchain.system.deadline import DEFAULT_DEADLINE, within
from diskchain.units import MiB

if TYPE_CHECKING:
    import pyarrow as pa

#: Bytes of tables that one window is made of, to begin with …
_WINDOW: Final = 4 * MiB
#: … where they have so many extents, between the bounds.
_EXTENTS: Final = 60_000
_SMALLEST_WINDOW: Final = MiB
_LARGEST_WINDOW: Final = 64 * MiB


class Section:
    """A window: what is seen of it, and what each layer holds in it. ``reach``: where the shortest layer down to each ends."""

    __slots__ = ("end", "own", "reach", "seen", "start")

    def __init__(self, start: int, end: int, seen: Extents, own: list[Extents], reach: list[int]) -> None:
        self.own = own
        self.reach = reach
        self.start = start
        self.end = end
        self.seen = seen

    def visible(self, first: int, last: int) -> Extents:
        """What the layers from ``first`` to before ``last`` answer for, up to where those above them end."""
        pairs = zip(self.own[first:last], self.reach[first:last], strict=True)
        return folded([clipped(own, self.start, reach) if reach < self.end else own for own, reach in pairs])


class LayerMap:
    """The map of ``chain``. Iterating gives windows of extents, in order, which together are all of the disk.

    ``opener`` opens layers that are not on this host; ``seconds``: for each answer of storage.
    """

    def __init__(self, chain: BackingChain, *, opener: Opener = open_here, seconds: float = DEFAULT_DEADLINE) -> None:
        self.chain = chain
        self._opener = opener
        self._seconds = seconds
        self._findings: list[Finding] = []

    @property
    def names(self) -> list[str]:
        """The files of the layers, top first."""
        return [describe_location(layer.source.location) for layer in self.chain.layers]

    @property
    def data_names(self) -> list[str]:
        """The files that hold the data of each layer: its external data file or its one extent, where it has one."""
        holders = [
            layer.extents[0] if len(layer.extents) == 1 else layer.data_file or layer for layer in self.chain.layers
        ]
        return [describe_location(holder.source.location) for holder in holders]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was wrong with tables, could not be told, or may be stale, in what was asked last."""
        return tuple(self._findings)

    def __iter__(self) -> Iterator[Extents]:
        return self.windows()

    def windows(self, start: int = 0, end: int | None = None) -> Iterator[Extents]:
        """The map of [``start``, ``end``) of the disk; each window is complete in itself, without gaps."""
        with self._opened() as layers:
            size = _size(layers)
            cuts = _Cuts(layers, start, size if end is None else min(size, end))
            for begin, stop in cuts:
                seen, own = self._window(layers, begin, stop)
                cuts.found(own)
                yield seen

    def runs(self, start: int = 0, end: int | None = None) -> Iterator[Run]:
        """The same as single values, neighbours that are alike being one, across windows as well."""
        return runs_of(self.windows(start, end))

    def sections(self, unit: int) -> Iterator["Section"]:
        """The disk in windows that begin at multiples of ``unit``, each with what every layer holds there by itself."""
        with self._opened() as layers:
            reach = list(accumulate((tables.capacity for tables in layers), min))
            cuts = _Cuts(layers, 0, _size(layers), unit)
            for start, end in cuts:
                seen, own = self._window(layers, start, end)
                cuts.found(own)
                yield Section(start, end, seen, own, reach)

    def units(self) -> list[int | None]:
        """Of each layer, the bytes that a write to it allocates at once; None where nobody can tell."""
        with self._opened() as layers:
            return [tables.unit for tables in layers]

    def at(self, offset: int) -> Run | None:
        """Who answers for the byte at ``offset``, and the run around it as far as one table tells; None: the disk ends before."""
        with self._opened() as layers:
            if not 0 <= offset < _size(layers):
                return None
            around, _ = self._window(layers, offset, offset + 1)
            return next(runs_of([around]))

    def totals(self) -> tuple[LayerTotals, ...]:
        """What each layer answers for and hides, top first. Holds no map."""
        tally = Tally(len(self.chain))
        with self._opened() as layers:
            cuts = _Cuts(layers, 0, _size(layers))
            for begin, stop in cuts:
                seen, own = self._window(layers, begin, stop)
                cuts.found(own)
                tally.add(seen, own)
        return tally.totals(list(self.chain.layers))

    def arrow(self) -> "pa.Table":
        """All runs as a table of pyarrow, which has to be installed: with ``.to_pandas()`` for those who want that. Raises MissingExtra."""
        from diskchain.allocation.arrow import arrow_table

        return arrow_table(merged(joined(list(self.windows()))), self.data_names)

    def _window(self, layers: list[Tables], start: int, end: int) -> tuple[Extents, list[Extents]]:
        """What is seen in [start, end), and what each layer holds there by itself."""
        own: list[Extents] = []
        seen: list[Extents] = []
        limit = end
        for depth, tables in enumerate(layers):
            limit = min(limit, tables.capacity)
            part = at_depth(self._asked(tables, start, end), depth)
            own.append(part)
            seen.append(clipped(part, start, limit) if limit < end else part)
        return merged(overlay(folded(seen), self._filler(layers, start, end))), own

    def _asked(self, tables: Tables, start: int, end: int) -> Extents:
        name = tables.problems.name
        try:
            return within(self._seconds, name, lambda: tables.extents(start, end))
        except DiskchainError as error:
            problem = getattr(error, "problem", str(error))
            tables.problems.note(f"part of its tables cannot be read: {problem}", id="map-unknown")
            return one(start, min(end, tables.capacity), NOWHERE, UNKNOWN)

    def _filler(self, layers: list[Tables], start: int, end: int) -> Extents:
        """What is read where no layer answers: zeros, as of the last layer that reaches so far."""
        parts = []
        limit = _size(layers)
        known = isinstance(self.chain[-1].source.backing, Terminator)
        for depth in range(len(layers)):
            last = depth == len(layers) - 1
            below = 0 if last else min(limit, layers[depth + 1].capacity)
            kind = ZERO if known or not last else UNKNOWN
            parts.append(at_depth(one(max(start, below), min(end, limit), NOWHERE, kind), depth))
            limit = below
        return joined([part for part in reversed(parts) if len(part.start)]) if parts else NONE

    @contextmanager
    def _opened(self) -> Iterator[list[Tables]]:
        """The readers of all layers; what they found is kept when they are given back."""
        with ExitStack() as exits:
            layers = []
            for layer in self.chain.layers:
                tables = open_tables(layer, self._opener, self._seconds)
                exits.callback(tables.close)
                layers.append(tables)
            try:
                yield layers
            finally:
                self._findings = [found for tables in layers for found in tables.problems.findings()]
                self._findings += [
                    found
                    for layer, tables in zip(self.chain.layers, layers, strict=True)
                    for found in _live(layer, tables)
                ]


def _live(layer: Layer, tables: Tables) -> Iterator[Finding]:
    """Whether the layer is written to while it is read."""
    container = tables.container
    if container is None:
        return
    try:
        if container.has_changed or container.is_written:
            name = describe_location(layer.source.location)
            yield finding(
                "map-stale", f"{name}: is written to while it is read, so what is said of it may be stale", file=name
            )
    except StorageError:
        return


def _size(layers: list[Tables]) -> int:
    """Bytes of the disk; 0 where nobody can tell."""
    return 0 if layers[0].capacity == FAR else layers[0].capacity


class _Cuts:
    """[start, end) in windows that begin at multiples of ``unit``, each of some MiB of tables: more where tables turn out to be nearly empty."""

    def __init__(self, layers: list[Tables], start: int, end: int, unit: int = 1) -> None:
        weights = [tables.weights() for tables in layers]
        places = np.concatenate([places for places, _ in weights])
        costs = np.concatenate([costs for _, costs in weights])
        inside = (places > start) & (places < end)
        order = np.argsort(places[inside], kind="stable")
        self._places, self._total = places[inside][order], np.cumsum(costs[inside][order])
        self._start, self._end, self._unit = start, end, unit
        self._budget = _WINDOW

    def __iter__(self) -> Iterator[tuple[int, int]]:
        begin, spent = self._start, 0
        while begin < self._end:
            at = int(np.searchsorted(self._total, spent + self._budget, "right"))
            edge = self._end
            if at < len(self._places):
                edge = int(self._places[at]) // self._unit * self._unit
                if edge <= begin:  # the next table behind this unit
                    at = int(np.searchsorted(self._places, begin + self._unit, "left"))
                    edge = int(self._places[at]) // self._unit * self._unit if at < len(self._places) else self._end
                spent = int(self._total[at]) if at < len(self._total) else spent
            yield begin, edge
            begin = edge

    def found(self, own: list[Extents]) -> None:
        """How many extents the last window had: the next one is larger or smaller by that."""
        count = sum(len(each.start) for each in own)
        if count * 4 < _EXTENTS:
            self._budget = min(self._budget * 2, _LARGEST_WINDOW)
        elif count > _EXTENTS:
            self._budget = max(self._budget // 2, _SMALLEST_WINDOW)
