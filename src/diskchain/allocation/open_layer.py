"""From a layer of a discovered chain to the reader of its tables: the one place that opens files here and knows which format is read how.

A layer is opened only if it is the file that was discovered, under whatever policy that was: one that was exchanged since is not read.
What cannot be opened or read is a problem and an unread layer, never an exception.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from diskchain.allocation.container import Container
from diskchain.allocation.problems import Problems
from diskchain.allocation.tables import Tables, UnreadTables
from diskchain.discover import Layer
from diskchain.errors import DiskchainError, StorageError
from diskchain.readers.open import Image, open_location
from diskchain.storage.location import describe_location
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, StorageType
from diskchain.system.deadline import DEFAULT_DEADLINE, within

#: Opens the image of a source. Raises DiskchainError.
Opener = Callable[[Source], Image]

#: The capacity of a layer of which nothing is known: it may hide all that is below it.
FAR: Final = 1 << 62
_FLAT: Final = frozenset({Format.RAW, Format.ISO})


def open_here(source: Source) -> Image:
    """The image of a source on this host. Raises StorageError."""
    return open_location(source.location)


def open_tables(layer: Layer, opener: Opener = open_here, seconds: float = DEFAULT_DEADLINE) -> Tables:
    """The reader of the tables of ``layer``. ``seconds``: for each answer of storage."""
    name = describe_location(layer.source.location)
    problems = Problems(name)
    capacity = FAR if layer.header is None else layer.header.capacity
    if layer.header is None or layer.facts is None:
        problems.note("its tables cannot be read, so nobody can tell which bytes it holds", id="map-unknown")
        return UnreadTables(capacity, problems)
    try:
        return within(seconds, name, lambda: _tables(layer, opener, problems))
    except DiskchainError as error:
        problem = getattr(error, "problem", str(error))
        problems.note(f"its tables cannot be read: {problem}", id="map-unknown")
        return UnreadTables(capacity, problems)


def container_of(layer: Layer, opener: Opener) -> Container:
    """The file of ``layer``, if it still is the one that was discovered. Raises StorageError."""
    return Container(opened(layer, opener), layer.source.slice)


def opened(layer: Layer, opener: Opener) -> Image:
    """The open file of ``layer``, if it still is the one that was discovered. Raises StorageError."""
    image = opener(layer.source)
    known = None if layer.facts is None else layer.facts.identity
    if known is not None and image.facts.identity is not None and known != image.facts.identity:
        image.close()
        raise StorageError(
            "is another file now than when the chain was read", path=describe_location(layer.source.location)
        )
    return image


def _tables(layer: Layer, opener: Opener, problems: Problems) -> Tables:
    header = layer.header
    assert header is not None  # noqa: S101  # asked before
    with ExitStack() as exits:
        container = container_of(layer, opener)
        exits.callback(container.close)
        tables = (
            _of_extents(layer, opener, container, problems)
            if layer.extents
            else _of_format(header.format, container, layer, problems)
        )
        exits.pop_all()
        return tables


def _of_extents(layer: Layer, opener: Opener, container: Container, problems: Problems) -> Tables:
    """The reader of a VMDK whose data are in other files."""
    from diskchain.allocation.vmdk_extents import VmdkExtents

    with ExitStack() as exits:
        images = []
        for extent in layer.extents:
            image = opened(extent, opener)
            exits.callback(image.close)
            images.append(image)
        tables = VmdkExtents(container, layer, problems, images)
        exits.pop_all()
        return tables


def _of_format(format: Format, container: Container, layer: Layer, problems: Problems) -> Tables:
    if format in _FLAT:
        from diskchain.allocation.raw_ranges import RawRanges

        if container.facts.type is StorageType.NETWORK:
            problems.note(
                "is on another host, which is not asked for holes: all of it counts as data", id="map-unknown"
            )
        return RawRanges(container, problems)
    if format is Format.LUKS:
        from diskchain.allocation.raw_ranges import RawRanges

        assert layer.header is not None  # noqa: S101
        return RawRanges(container, problems, capacity=layer.header.capacity, opaque=True)
    if format is Format.QCOW2:
        from diskchain.allocation.qcow2_tables import Qcow2Tables

        return Qcow2Tables(container, problems)
    from diskchain.allocation.grain_formats import MAKERS

    make = MAKERS.get(format)
    if make is not None and layer.header is not None:
        return make(container, layer.header, problems)
    raise StorageError(f"the tables of {format} images are not read here", path=container.name)
