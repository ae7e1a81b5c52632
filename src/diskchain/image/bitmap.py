"""What a header says of a dirty bitmap. Knows no other module."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bitmap:
    """A dirty bitmap. ``flags`` from ``in-use``, ``auto``; ``granularity`` in bytes."""

    name: str
    granularity: int
    flags: tuple[str, ...] = ()
