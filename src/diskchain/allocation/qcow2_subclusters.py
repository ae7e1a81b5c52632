"""Extended L2 entries as extents: each of the 32 parts of a cluster is data, zeros, or not there.

Source: QEMU ``docs/interop/qcow2.txt`` "Extended L2 Entries", ``block/qcow2.h`` (``qcow2_get_subcluster_type``, 7.2).
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from diskchain.allocation.answers import COMPRESSED, DAMAGED, DATA, PRESENT, ZERO
from diskchain.allocation.extents import I64, NONE, NOWHERE, Extents, merged
from diskchain.allocation.problems import Problems
from diskchain.allocation.qcow2_layout import COMPRESSED_FLAG, COPIED, OFFSET_MASK, Layout

if TYPE_CHECKING:
    from collections.abc import Callable

_PARTS: Final = 32  # QCOW_EXTL2_SUBCLUSTERS_PER_CLUSTER
_LOW: Final = np.uint64(0xFFFFFFFF)


def subcluster_extents(words: NDArray[Any], clusters: I64, layout: Layout, problems: Problems) -> Extents:
    """The extents of entries of two big-endian words each; ``clusters``: the number of the guest's cluster of each entry."""
    entries, bitmaps = words[0::2].astype(np.uint64), words[1::2].astype(np.uint64)
    used = np.flatnonzero(entries | bitmaps)
    if not len(used):
        return NONE
    entries, bitmaps, clusters = entries[used], bitmaps[used], clusters[used]
    compressed = (entries & np.uint64(COMPRESSED_FLAG)) != 0
    host = (entries & np.uint64(OFFSET_MASK)).astype(np.int64)
    there = (host != 0) | ((entries & np.uint64(COPIED)) != 0 if layout.external else np.zeros(len(host), bool))
    data, zero = bitmaps & _LOW, bitmaps >> np.uint64(_PARTS)
    wrong = ~compressed & (
        ((data & zero) != 0) | (~there & (data != 0)) | (there & ((host & (layout.cluster - 1)) != 0))
    )
    if wrong.any():
        at = np.flatnonzero(wrong)
        problems.note(
            "extended L2 entries that contradict themselves, so that reading there fails",
            places=tuple(f"disk offset {int(clusters[each]) << layout.bits:#x}" for each in at[:3]),
            count=len(at),
        )
    whole_data = compressed | (there & (data == _LOW) & ~wrong)
    part = layout.cluster // _PARTS
    tags = np.zeros((len(used), _PARTS), np.uint32)
    numbers = np.arange(_PARTS, dtype=np.uint64)
    bit: Callable[[NDArray[np.uint64]], NDArray[np.bool_]] = lambda of: ((of[:, None] >> numbers) & np.uint64(1)) != 0  # noqa: E731
    tags[bit(data) & there[:, None]] = PRESENT | DATA
    tags[bit(zero)] = PRESENT | ZERO
    tags[whole_data] = PRESENT | DATA
    tags[compressed] = PRESENT | DATA | COMPRESSED
    tags[wrong] = PRESENT | DAMAGED
    start = (clusters[:, None] << layout.bits) + np.arange(_PARTS, dtype=np.int64) * part
    hosts = np.where(there[:, None], host[:, None] + np.arange(_PARTS, dtype=np.int64) * part, NOWHERE)
    nowhere = np.uint32(COMPRESSED | DAMAGED) if not layout.encrypted else np.uint32(COMPRESSED | DAMAGED | DATA)
    hosts[(tags & nowhere) != 0] = NOWHERE
    kept = tags != 0
    starts = start[kept]
    return merged(Extents(starts, starts + part, hosts[kept], tags[kept]))
