"""Where the tables of a qcow2 image are and how their entries are to be read: from its header, with every bound checked.

Source: QEMU ``docs/interop/qcow2.txt``; limits as in :mod:`diskchain.image.formats.qcow2`, which this relies on.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from diskchain.allocation.container import Container
from diskchain.allocation.extents import I64
from diskchain.allocation.problems import Problems
from diskchain.image.formats.qcow2 import fixed_part, parse, read_extensions
from diskchain.image.header import ImageHeader

#: L1E_OFFSET_MASK, L2E_OFFSET_MASK: bits 9 to 55 of an entry are an offset.
OFFSET_MASK: Final = 0x00FFFFFFFFFFFE00
COPIED: Final = 1 << 63  # QCOW_OFLAG_COPIED
COMPRESSED_FLAG: Final = 1 << 62  # QCOW_OFLAG_COMPRESSED
ZERO_FLAG: Final = 1  # QCOW_OFLAG_ZERO

_EXTENDED_L2: Final = 1 << 4
_EXTERNAL: Final = 1 << 2
_VERSION_3: Final = 3


@dataclass(frozen=True, slots=True)
class Layout:
    """One image. ``bits``: of the cluster size; ``entry``: bytes of an L2 entry, 16 where they are extended; offsets and sizes in bytes."""

    header: ImageHeader
    version: int
    bits: int
    capacity: int
    entry: int
    external: bool
    l1_at: int
    l1_size: int
    refcounts_at: int
    refcount_clusters: int
    refcount_order: int
    snapshots_at: int
    snapshot_count: int
    extensions: dict[int, bytes]

    @property
    def cluster(self) -> int:
        """Bytes of a cluster."""
        return 1 << self.bits

    @property
    def table_entries(self) -> int:
        """Entries of an L2 table, which is a cluster."""
        return self.cluster // self.entry

    @property
    def per_table(self) -> int:
        """Bytes of the guest that one L2 table is for."""
        return self.table_entries << self.bits

    @property
    def encrypted(self) -> bool:
        """Whether data are encrypted: then zeros in the file are no zeros for the guest."""
        return self.header.encryption is not None


def read_layout(container: Container) -> Layout:
    """The layout of the image in ``container``. Raises ImageError for what QEMU would not open, StorageError."""
    window = container.window()
    header = parse(window)
    fixed = fixed_part(window.head)
    extensions = read_extensions(window, fixed[17], fixed[2] or 1 << fixed[4])
    return Layout(
        header=header,
        version=fixed[1],
        bits=fixed[4],
        capacity=header.capacity,
        entry=16 if fixed[13] & _EXTENDED_L2 and fixed[1] >= _VERSION_3 else 8,
        external=bool(fixed[13] & _EXTERNAL),
        l1_at=fixed[8],
        l1_size=fixed[7],
        refcounts_at=fixed[9],
        refcount_clusters=fixed[10],
        refcount_order=fixed[16],
        snapshots_at=fixed[12],
        snapshot_count=fixed[11],
        extensions=extensions,
    )


def read_l1(container: Container, layout: Layout, problems: Problems) -> I64:
    """Where the L2 table of each entry is, 0 where there is none, -1 where the entry cannot be believed.

    Only as many as the capacity needs. A table behind the end of the file is read as QEMU reads it: it holds zeros.
    """
    needed = min(layout.l1_size, -(-layout.capacity // layout.per_table))
    raw = np.zeros(needed * 8, np.uint8)
    container.read_into(layout.l1_at, raw.data)
    if layout.l1_at + needed * 8 > container.size and needed:
        problems.note("the file ends within its L1 table")
    entries = raw.view(">u8").astype(np.uint64)
    offsets = (entries & np.uint64(OFFSET_MASK)).astype(np.int64)
    unaligned = (offsets & (layout.cluster - 1)) != 0
    if unaligned.any():
        places = np.flatnonzero(unaligned)
        problems.note(
            "L2 tables that do not begin on a cluster, so that reading the disk there fails",
            places=tuple(f"L1 entry {at} names {offsets[at]:#x}" for at in places[:3]),
            count=len(places),
        )
        offsets[unaligned] = -1
    beyond = offsets >= max(container.size, 1)
    if beyond.any():
        places = np.flatnonzero(beyond)
        problems.note(
            "L2 tables behind the end of the file, where QEMU finds nothing",
            places=tuple(f"L1 entry {at} names {offsets[at]:#x}" for at in places[:3]),
            count=len(places),
        )
        offsets[beyond] = 0
    return offsets
