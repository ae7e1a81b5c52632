"""qcow2 images of many TiB whose tables are full and whose data are holes: what a map or a check reads, without the room of the data."""

import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BITS: Final = 16
CLUSTER: Final = 1 << BITS
_PER_TABLE: Final = CLUSTER // 8
_PER_BLOCK: Final = CLUSTER // 2
_COPIED: Final = np.uint64(1 << 63)

I64 = NDArray[np.int64]


def scattered(count: int, of: int, seed: int) -> I64:
    """``count`` of ``of`` clusters, anywhere."""
    return np.sort(np.random.default_rng(seed).choice(of, count, replace=False)).astype(np.int64)


def write_qcow2(
    path: Path, size: int, clusters: I64, backing: str | None = None, *, in_order: bool = False, counted: bool = False
) -> None:
    """An image of ``size`` bytes that holds data in ``clusters`` of the guest.

    ``in_order``: they lie one after the other in the file. ``counted``: with right refcounts, as a check wants them; without, QEMU does not
    take it for a preallocated image, which it would look for holes in.
    """
    tables = np.unique(clusters // _PER_TABLE)
    l1_entries = -(-size // (CLUSTER * _PER_TABLE))
    l1_at = 3 * CLUSTER
    l2_at = l1_at + -(-l1_entries * 8 // CLUSTER) * CLUSTER
    data_at = l2_at + len(tables) * CLUSTER
    blocks_at = data_at + len(clusters) * CLUSTER
    blocks = -(-((blocks_at >> BITS) + 64) // (_PER_BLOCK - 2)) + 1
    table_clusters = max(1, -(-blocks * 8 // CLUSTER))
    table_at = blocks_at + blocks * CLUSTER
    used = (table_at >> BITS) + table_clusters
    with path.open("wb") as file:
        file.write(_header(size, l1_entries, l1_at, table_at, table_clusters, backing))
        l1 = np.zeros(l1_entries, ">u8")
        l1[tables] = (l2_at + np.arange(len(tables)) * CLUSTER).astype(np.uint64) | _COPIED
        _put(file, l1_at, l1)
        hosts = data_at + np.arange(len(clusters), dtype=np.uint64) * np.uint64(CLUSTER)
        if not in_order:
            np.random.default_rng(len(clusters)).shuffle(hosts)
        edges = np.append(np.searchsorted(clusters, tables * _PER_TABLE), len(clusters))
        for number, table in enumerate(tables.tolist()):
            l2 = np.zeros(_PER_TABLE, ">u8")
            part = slice(edges[number], edges[number + 1])
            l2[clusters[part] - table * _PER_TABLE] = hosts[part] | _COPIED
            _put(file, l2_at + number * CLUSTER, l2)
        counts = np.zeros(blocks * _PER_BLOCK, ">u2")
        if counted:
            counts[:used] = 1
            counts[1:3] = 0
        _put(file, blocks_at, counts)
        names = np.zeros(table_clusters * _PER_TABLE, ">u8")
        names[:blocks] = blocks_at + np.arange(blocks) * CLUSTER
        _put(file, table_at, names)


def _header(size: int, l1_entries: int, l1_at: int, table_at: int, table_clusters: int, backing: str | None) -> bytes:
    name = (backing or "").encode()
    fields = (
        b"QFI\xfb",
        3,
        136 if backing else 0,
        len(name),
        BITS,
        size,
        0,
        l1_entries,
        l1_at,
        table_at,
        table_clusters,
    )
    fixed = struct.pack(">4sIQIIQIIQQIIQQQQII", *fields, 0, 0, 0, 0, 0, 4, 112) + bytes(8)
    extension = struct.pack(">II5s3x", 0xE2792ACA, 5, b"qcow2") if backing else b""
    return fixed + extension + bytes(8) + name


def _put(file: Any, at: int, values: NDArray[Any]) -> None:
    file.seek(at)
    file.write(values.tobytes())
