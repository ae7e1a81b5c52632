"""Whether a qcow2 header accounts for all of its file: a disk that its guest wrote such a header to goes on behind it. Two reads.

Belongs to ``qcow2``. Source: QEMU ``docs/interop/qcow2.txt``, "Host cluster management": every cluster in use has a refcount.
"""

from typing import Final

from diskchain.errors import ImageError
from diskchain.image.formats.qcow2 import fixed_part
from diskchain.image.window import Window

_HEADER: Final = 104
_WIDEST: Final = 6  # refcounts of 64 bits
_BLOCK_OFFSET: Final = 0xFFFFFFFFFFFFFE00  # REFT_OFFSET_MASK
_ENTRY: Final = 8


def accounts_for_its_end(window: Window) -> bool:
    """Whether the last cluster of the file has a refcount. Raises ImageError where it is no qcow2 or a table is outside the file."""
    fields = fixed_part(window.read_up_to(0, _HEADER))
    bits, table_at, table_clusters, order = fields[4], fields[9], fields[10], fields[16]
    if order > _WIDEST:
        raise ImageError(f"refcounts of 2^{order} bits", format="qcow2")
    width = 1 << order
    number, index = divmod((window.size - 1) >> bits, (8 << bits) // width)
    if number * _ENTRY >= table_clusters << bits:
        return False
    block_at = int.from_bytes(window.read(table_at + number * _ENTRY, _ENTRY), "big") & _BLOCK_OFFSET
    if not block_at:
        return False
    counts = int.from_bytes(window.read(block_at + (index * width >> 3), max(1, width >> 3)), "big")
    # Entries of less than a byte begin with its lowest bits.
    return bool(counts >> (index * width & 7) & (1 << width) - 1)
