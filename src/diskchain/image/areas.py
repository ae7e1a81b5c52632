"""What must lie inside an image's file: the areas its header and tables name. Pure values, and bounded reading of tables.

Each format computes its areas from a window; who asks compares them with the length that is there. A *bounded look* reads the header
again and a few tables, never all there may be: :data:`MOST_READS` pieces and :data:`MOST_BYTES` in all. Knows no format.
"""

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from diskchain.image.window import Window
from diskchain.units import KiB, MiB

#: One look reads no more of the tables of an image than this, in no more pieces.
MOST_BYTES: Final = 8 * MiB
MOST_READS: Final = 64
#: A table too long to be read whole is looked at in pieces of this size, spread evenly; the first and the last are among them.
_PIECE: Final = 64 * KiB
_SPREAD: Final = 16

#: QEMU takes the length of a file for whole sectors, rounded up; what is missing of the last one are zeros.
SECTOR: Final = 512


_SHORT: Final = KiB
_NATIVE: Final = "<" if sys.byteorder == "little" else ">"


class Effect(StrEnum):
    """What QEMU 7.2 does where an area is not in the file; each was measured."""

    #: It does not open the image.
    REFUSES = "refuses"
    #: It opens it, and what the guest reads there fails.
    FAILS = "fails"
    #: The guest reads zeros instead of its data.
    ZEROS = "zeros"
    #: The guest reads the backing file, or zeros where there is none.
    BACKING = "backing"
    #: The guest reads other data of the same disk.
    OTHER = "other"
    #: The guest reads what it should; what it writes may overwrite data.
    OVERWRITES = "overwrites"
    #: Internal snapshots or dirty bitmaps are lost, nothing of the disk itself.
    EXTRAS = "extras"
    #: Nothing is lost: it only was reserved.
    NOTHING = "nothing"
    #: Nothing is lost, and nobody refers to it: it was counted and never written.
    LEAKED = "leaked"


class Area(NamedTuple):
    """A part of an image. ``what``: its name, as a message has it; ``end``: bytes the file must have for it to be whole."""

    what: str
    end: int
    effect: Effect


def beyond(window: Window, areas: Iterable[Area]) -> list[Area]:
    """Those of ``areas`` that end behind the file. What QEMU would refuse it takes where only the last sector is incomplete."""
    size = window.size
    whole_sectors = -(-size // SECTOR) * SECTOR
    return [
        area._replace(effect=Effect.ZEROS) if area.effect is Effect.REFUSES and area.end <= whole_sectors else area
        for area in areas
        if area.end > size
    ]


def numbers(data: bytes, code: str) -> Sequence[int]:
    """``data`` as integers; ``code``: ``>`` or ``<`` for the byte order, ``I`` or ``Q`` for 4 or 8 bytes. An incomplete one is dropped.

    Of a table of zeros alone there may be fewer.
    """
    found = array(code[1])
    # Most tables of large images are zeros, of which two say as much as a million.
    length = len(data) if len(data) <= _SHORT or data.count(0) < len(data) else 2 * found.itemsize
    found.frombytes(data[: length // found.itemsize * found.itemsize])
    if code[0] != _NATIVE:
        found.byteswap()
    return found


def pieces(window: Window, at: int, length: int, entry: int) -> Iterator[tuple[int, bytes]]:
    """The table of ``length`` bytes at ``at``, or pieces of it, as far as the file goes; each with the number of its first entry.

    ``entry``: size of an entry in bytes. A table of at most :data:`MOST_BYTES` is read whole, of a longer one every piece that a
    sixteenth begins with, and the end. Raises ImageError, StorageError.
    """
    length = min(length, window.size - at) // entry * entry
    if length <= 0:
        return
    if length <= MOST_BYTES:
        yield 0, window.read(at, length)
        return
    step = (length - _PIECE) // (_SPREAD - 1) // entry * entry
    for start in (*range(0, step * (_SPREAD - 1), step), length - _PIECE):
        yield start // entry, window.read(at + start, _PIECE)


def tables(window: Window, starts: Sequence[int], length: int) -> Iterator[tuple[int, bytes]]:
    """Tables of ``length`` bytes each, that lie in the file, each with its start; neighbours are read at once.

    All of them if they are few; else those that lie furthest back, next to which the data written last are, and some spread over
    the others. Raises ImageError, StorageError.
    """
    inside = sorted({at for at in starts if 0 < at <= window.size - length})
    for first, count in _runs(_chosen(inside, length), length):
        data = window.read(first, count * length)
        for number in range(count):
            yield first + number * length, data[number * length : (number + 1) * length]


def all_read(window: Window, starts: Sequence[int], length: int) -> bool:
    """Whether :func:`tables` gives all tables at ``starts`` that lie in the file."""
    inside = {at for at in starts if 0 < at <= window.size - length}
    return len(_chosen(sorted(inside), length)) == len(inside)


def _chosen(inside: list[int], length: int) -> list[int]:
    most = max(1, MOST_BYTES // length)
    if len(inside) <= most and sum(1 for _ in _runs(inside, length)) <= MOST_READS:
        return inside
    most = min(most, MOST_READS)
    last, others = inside[-max(1, most - _SPREAD) :], inside[: -max(1, most - _SPREAD)]
    spread = most - len(last)
    return others[:: max(1, len(others) // spread)][:spread] + last if spread else last


def _runs(starts: Iterable[int], length: int) -> Iterator[tuple[int, int]]:
    """Neighbours as one: the first, and how many."""
    first, count = 0, 0
    for at in starts:
        if count and at == first + count * length:
            count += 1
            continue
        if count:
            yield first, count
        first, count = at, 1
    if count:
        yield first, count
