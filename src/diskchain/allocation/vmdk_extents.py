"""A VMDK whose descriptor names other files: each holds a part of the disk, one after the other.

Source: QEMU 7.2 ``block/vmdk.c`` (``vmdk_parse_extents``). What the descriptor names was followed by discovery, under its policy; a descriptor
that names descriptors is not read here. Where there are several files, a run does not say in which it is, so it has no place.
"""

from contextlib import ExitStack
from typing import Final

import numpy as np

from diskchain.allocation.answers import PRESENT, ZERO
from diskchain.allocation.container import Container
from diskchain.allocation.extents import I64, NOWHERE, Extents, clipped, joined, one
from diskchain.allocation.grain_formats import MAKERS
from diskchain.allocation.problems import Problems
from diskchain.allocation.raw_ranges import RawRanges
from diskchain.allocation.tables import Tables
from diskchain.discover import Layer
from diskchain.errors import StorageError
from diskchain.image.header import Extent
from diskchain.readers.open import Image
from diskchain.storage.location import describe_location
from diskchain.storage.terms import Format

_FLAT: Final = frozenset({"FLAT", "VMFS"})
_NO_ACCESS: Final = "NOACCESS"


class VmdkExtents:
    """The parts of one image, in order: where each begins on the disk, and its tables; None for a part of zeros."""

    def __init__(self, container: Container, layer: Layer, problems: Problems, images: list[Image]) -> None:
        """``images``: the open files of ``layer.extents``, which are this one's to close then. Raises StorageError, ImageError."""
        self.container = container
        self.problems = problems
        self.unit: int | None = None
        self._parts: list[tuple[int, int, Tables | None]] = []
        self._exits = ExitStack()
        assert layer.header is not None  # noqa: S101  # it has extents
        followed = list(zip(layer.extents, images, strict=True))[::-1]
        at = 0
        for extent in layer.header.extents:
            tables = None
            if extent.name and extent.access != _NO_ACCESS:
                if not followed:
                    raise StorageError("names files that were not followed", path=container.name)
                tables = _tables(extent, *followed.pop(), problems)
                self._exits.callback(tables.close)
            self._parts.append((at, at + extent.size, tables))
            at += extent.size
        if followed:
            raise StorageError("names descriptors, which are not read here", path=container.name)
        self.capacity = at
        self._several = len(layer.extents) > 1

    def weights(self) -> tuple[I64, I64]:
        """Those of all parts."""
        found = [(start, tables.weights()) for start, _, tables in self._parts if tables is not None]
        places = [start + places for start, (places, _) in found]
        costs = [costs for _, (_, costs) in found]
        empty = np.empty(0, np.int64)
        return np.concatenate([empty, *places]), np.concatenate([empty, *costs])

    def extents(self, start: int, end: int) -> Extents:
        """What this layer answers for in [``start``, ``end``). Raises StorageError."""
        parts = []
        for begin, stop, tables in self._parts:
            low, high = max(start, begin), min(end, stop)
            if low >= high:
                continue
            if tables is None:
                parts.append(one(low, high, NOWHERE, PRESENT | ZERO))
                continue
            part = clipped(tables.extents(low - begin, high - begin), low - begin, high - begin)
            host = np.full(len(part.host), NOWHERE) if self._several else part.host
            parts.append(Extents(part.start + begin, part.end + begin, host, part.tag))
        return joined([part for part in parts if len(part.start)])

    def close(self) -> None:
        """Give the files back."""
        self._exits.close()
        self.container.close()


def _tables(extent: Extent, layer: Layer, image: Image, problems: Problems) -> Tables:
    container = Container(image, layer.source.slice)
    if extent.kind in _FLAT:
        return RawRanges(container, problems, capacity=extent.size, fixed=True)
    if layer.header is None:
        raise StorageError("an extent cannot be read", path=describe_location(layer.source.location))
    return MAKERS[Format.VMDK](container, layer.header, problems)
