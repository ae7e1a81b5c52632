"""Whether a qcow2 file is as long as its tables say, by a quick test: two reads, two comparisons. Belongs to ``qcow2``.

What does not pass it is looked at by ``qcow2.areas``. A module of its own because every start pays for what is in it.
"""

import struct
from collections.abc import Callable
from typing import Final

from diskchain.image.formats.qcow2 import fixed_part
from diskchain.units import KiB

Fetch = Callable[[int, int], bytes]
_USUAL_ORDER: Final = 4  # refcounts of 16 bits
#: Clusters that an image may need beside those of its disk, and again as many as both: see ``qcow2.areas``.
FEW_CLUSTERS: Final = 1024
PAGE: Final = 4 * KiB
SECTOR: Final = 512

_unpack_offset = struct.Struct(">Q").unpack_from


def is_zero(data: bytes) -> bool:
    """Whether ``data`` is zeros, as refcounts that count nothing are."""
    return data == bytes(len(data))


def is_whole(head: bytes, size: int, fetch: Fetch) -> bool:
    """Whether nothing is missing. False means: look closer. Of an image without snapshots, bitmaps and encryption.

    ``head``: its first bytes; ``fetch`` gives others: an offset, a length.
    """
    (
        _, _, _, _, bits, capacity, crypt, l1_size, l1_at, refcounts_at, clusters, snapshots, _, _, _, autoclear, order, _,
    ) = fixed_part(head)  # fmt: skip
    l1_end = l1_at + (l1_size << 3)
    return (
        order == _USUAL_ORDER
        and not (snapshots or autoclear or crypt)
        and l1_end <= size
        and refcounts_at + (clusters << bits) <= size
        and (size & (1 << bits) - 1 == 0 or l1_end == size)
        and _ends_with_its_clusters(size, fetch, bits, refcounts_at, (capacity >> bits) + FEW_CLUSTERS << 1)
    )


def _ends_with_its_clusters(size: int, fetch: Fetch, bits: int, refcounts_at: int, most: int) -> bool:
    """Whether no cluster behind the end of the file is counted, by a quick test: two reads, two comparisons. False means: look closer.

    For refcounts of 16 bits; ``bits``: of the cluster size, ``most``: clusters that can be in use.
    """
    cluster = 1 << bits
    outside = -(-size >> bits)
    number = outside >> bits - 1
    if number >= SECTOR >> 3:
        return False
    table = fetch(refcounts_at, SECTOR)
    if len(table) != SECTOR:  # the file became shorter meanwhile
        return False
    (block_at,) = _unpack_offset(table, number << 3)
    if not 0 < block_at <= size - cluster or not is_zero(table[(number << 3) + 8 :]):
        return False
    skipped = outside - (number << bits - 1) << 1
    length = min(max(most - outside << 1, PAGE), cluster - skipped)
    counts = fetch(block_at + skipped, length)
    return is_zero(counts) and len(counts) == length
