"""Sums of a map: what each layer answers for, and what of it nobody sees. Window by window; never holds a map."""

from collections.abc import Sequence

import numpy as np

from diskchain.allocation.answers import DAMAGED, DATA, DEPTH_SHIFT, PRESENT, UNKNOWN, ZERO, LayerTotals
from diskchain.allocation.extents import Extents
from diskchain.discover import Layer
from diskchain.storage.location import describe_location


class Tally:
    """Adds up windows of a chain of ``layers``."""

    def __init__(self, layers: int) -> None:
        self._seen = np.zeros(layers << DEPTH_SHIFT, np.int64)
        self._own = np.zeros(layers, np.int64)

    def add(self, seen: Extents, own: Sequence[Extents]) -> None:
        """One window: what is seen of it, and what each layer holds there."""
        if len(seen.start):
            sums = np.bincount(seen.tag, weights=seen.length)
            self._seen[: len(sums)] += sums.astype(np.int64)
        for depth, extents in enumerate(own):
            if len(extents.start):
                data = (extents.tag & np.uint32(DATA | ZERO)) == DATA
                lengths = extents.length if data.all() else extents.length[data]
                self._own[depth] += int(lengths.sum())

    def of(self, depth: int, kind: int) -> int:
        """Bytes of the layer at ``depth`` that are seen and have all bits of ``kind``."""
        row = self._seen[depth << DEPTH_SHIFT : depth + 1 << DEPTH_SHIFT]
        kinds = np.arange(len(row))
        return int(row[(kinds & kind) == kind].sum())

    def totals(self, layers: Sequence[Layer]) -> tuple[LayerTotals, ...]:
        """The sums, for the ``layers`` of the chain."""
        return tuple(self._totals(depth, layer) for depth, layer in enumerate(layers))

    def _totals(self, depth: int, layer: Layer) -> LayerTotals:
        zero = self.of(depth, PRESENT | ZERO)
        both = self.of(depth, PRESENT | ZERO | DATA)
        data = self.of(depth, PRESENT | DATA) - both
        files = [file.facts for file in layer.files]
        known = [facts for facts in files if facts is not None]
        complete = len(known) == len(files)
        blocks = [facts.allocated for facts in known]
        return LayerTotals(
            describe_location(layer.source.location),
            data=data,
            zero=zero,
            hidden=int(self._own[depth]) - data,
            empty=self.of(depth, ZERO) - zero,
            damaged=self.of(depth, DAMAGED),
            unknown=self.of(depth, UNKNOWN),
            file_size=sum(facts.size for facts in known) if complete else None,
            allocated=sum(filter(None, blocks)) if complete and None not in blocks else None,
        )
