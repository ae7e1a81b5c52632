"""A window of the container of an image."""

from typing import Literal, NamedTuple


class Slice(NamedTuple):
    """A window of the container, below the format: ``offset`` and ``size`` in bytes."""

    offset: int
    size: int
    type: Literal["storage"] = "storage"  # libvirt has no other
