"""What a header says of a dirty bitmap. Knows no other module."""

from typing import NamedTuple


class Bitmap(NamedTuple):
    """A dirty bitmap. ``flags`` from ``in-use``, ``auto``; ``granularity`` in bytes."""

    name: str
    granularity: int
    flags: tuple[str, ...] = ()
