"""What a map answers: runs and sums, as values that need no numpy; and the bits by which extents say what they are."""

from dataclasses import dataclass
from typing import Final

#: What an extent is, as bits of its tag: the guest reads data, or zeros; the layer answers for it; how it is stored.
DATA: Final = 1
ZERO: Final = 2
PRESENT: Final = 4
COMPRESSED: Final = 8
#: The table that should say where it is cannot be believed: reading it fails.
DAMAGED: Final = 16
#: Nobody can tell what is there.
UNKNOWN: Final = 32
#: Bits of a tag below the depth of the layer, 0 for the top.
DEPTH_SHIFT: Final = 8
KIND_MASK: Final = (1 << DEPTH_SHIFT) - 1


@dataclass(frozen=True, slots=True)
class Run:
    """Bytes of the disk that one layer answers for in one way. ``start``, ``length``: of the guest; ``depth``: of the layer, 0 the top.

    ``present``: the layer answers for it, and those below do not matter. ``zero``: the guest reads zeros. ``data``: there are bytes in the
    file, at ``offset`` where that is one place. ``damaged``: its table cannot be believed, and reading fails. ``unknown``: nobody can tell.
    """

    start: int
    length: int
    depth: int
    present: bool
    zero: bool
    data: bool
    compressed: bool
    offset: int | None
    damaged: bool = False
    unknown: bool = False

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class LayerTotals:
    """One layer, all in bytes of the guest.

    ``data``, ``zero``: what it answers for, as data or as zeros; ``hidden``: data it holds where layers above answer. ``empty``: what it reads as zeros because no layer answers. ``damaged``: where reading fails; ``unknown``:
    of which nobody can tell. ``file_size``, ``allocated``: of its file and data file, in bytes of the host; None where nobody can tell.
    """

    name: str
    data: int
    zero: int
    hidden: int
    empty: int
    damaged: int
    unknown: int
    file_size: int | None
    allocated: int | None

    @property
    def answers(self) -> int:
        """What it answers for."""
        return self.data + self.zero + self.damaged
