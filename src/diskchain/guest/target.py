"""Where and how the guest finds the disk, and the shape the disk claims to have.

Source: libvirt 11.3.0 ``<target>``, ``<geometry>``, ``<blockio>``, and ``virDiskNameParse`` for names. Knows only
``terms``.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from diskchain.guest.terms import DiskBus, Translation, Tray


@dataclass(frozen=True, slots=True)
class Target:
    """``dev`` is a name such as ``vda``; it orders the disks and need not be the guest's name.

    ``bus`` None: nobody said, post-parse guesses it from ``dev``. ``rotation_rate`` in revolutions per minute, 1 means
    solid state. ``tray`` None is a closed tray, or no tray.
    """

    dev: str
    bus: DiskBus | None = None
    tray: Tray | None = None
    removable: bool | None = None
    rotation_rate: int | None = None


@dataclass(frozen=True, slots=True)
class Geometry:
    """Cylinders, heads and sectors the guest is told; libvirt prints them only when all three are above 0."""

    cylinders: int = 0
    heads: int = 0
    sectors: int = 0
    translation: Translation | None = None


@dataclass(frozen=True, slots=True)
class BlockIo:
    """Block sizes the guest is told, in bytes."""

    logical_block_size: int | None = None
    physical_block_size: int | None = None
    discard_granularity: int | None = None


_DISK_NAME = re.compile("(?:fd|hd|vd|sd|xvd|ubd)([a-z]+)[0-9]*", re.ASCII)
_LONGEST_NAME = 64
_INT_MAX = 2**31 - 1  # libvirt counts in C's int


@lru_cache(maxsize=1024)  # most disks in the world are called vda
def target_index(dev: str) -> int | None:
    """Which disk a name means, from 0: letters count like digits, a number behind them is a partition.

    >>> target_index("vda"), target_index("sdz"), target_index("vdaa"), target_index("hdb3"), target_index("nvme0n1")
    (0, 25, 26, 1, None)

    None when libvirt cannot tell, so such a disk needs an address.
    """
    match = _DISK_NAME.fullmatch(dev) if len(dev) <= _LONGEST_NAME else None
    if match is None:
        return None
    index = 0
    for position, letter in enumerate(match[1]):
        index = (index + (position > 0)) * 26 + ord(letter) - ord("a")
    return index if index <= _INT_MAX else None
