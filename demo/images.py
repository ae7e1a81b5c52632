"""Write small qcow2 images without qemu-img. Source: QEMU ``docs/interop/qcow2.txt``."""

import struct
from pathlib import Path

CLUSTER_BITS = 16


def write_qcow2(path: Path, capacity: int, backing: str, backing_format: str) -> None:
    """An empty version 3 overlay: a header, a refcount table that covers it, and an empty L1 table."""
    cluster = 1 << CLUSTER_BITS
    extension = struct.pack(">II8s", 0xE2792ACA, len(backing_format), backing_format.encode())
    name_at = 104 + len(extension) + 8
    l1_entries = -(-capacity // (cluster * cluster // 8))
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        b"QFI\xfb", 3, name_at, len(backing), CLUSTER_BITS, capacity, 0, l1_entries, 3 * cluster, cluster, 1, 0, 0,
        0, 0, 0, 4, 104,
    )  # fmt: skip
    with path.open("wb") as file:
        file.write(header + extension + bytes(8) + backing.encode())
        file.seek(cluster)
        file.write(struct.pack(">Q", 2 * cluster))
        file.seek(2 * cluster)
        file.write(struct.pack(">4H", 1, 1, 1, 1))
        file.truncate(4 * cluster)
