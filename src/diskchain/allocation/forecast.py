"""What an operation on a chain would cost, as a value that needs no numpy."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an operation costs; all in bytes.

    ``top``, ``base``: the layers of it, as every verb takes them; None where it has none. ``writes``: the file that is written to; None: a new
    one. ``copies`` are read and written, ``zeroes`` written as zeros; ``growth``: data that file holds more, ``growth_at_most`` if zeros are
    written as data; ``loses``: data of it that are zeros then. ``frees``: room of the files that are not needed any more. ``room``: what is
    free where the file is. ``unknown``: bytes of which nobody can tell. None: nobody can tell.
    """

    operation: str
    top: str | None
    base: str | None
    writes: str | None
    copies: int
    zeroes: int
    growth: int
    growth_at_most: int
    loses: int
    frees: int | None
    room: int | None
    unknown: int

    @property
    def enough(self) -> bool | None:
        """Whether the room is enough for what it may grow by; None where nobody can tell."""
        return None if self.room is None or self.unknown else self.growth_at_most <= self.room
