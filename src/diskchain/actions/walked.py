"""What is below a directory, as a value. Imported with directories alone: images need none of it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Walked:
    """What is below a directory. ``unread``: directories that cannot be read. ``passed_over``: how many of what, by its name in the plural."""

    images: int
    documents: int
    unread: int
    passed_over: Mapping[str, int]
