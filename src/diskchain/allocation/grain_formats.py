"""What the tables of each format but qcow2 mean: QED, qcow, VDI, VHD, VHDX, Parallels, and sparse VMDK extents.

Sources: QEMU 7.2 ``block/{qed,qcow,vdi,vpc,vhdx,parallels,vmdk}.c``, and the specifications that :mod:`diskchain.image.formats` names. Where QEMU
says no more than "data" of all of an image (VHDX), the specification is followed.
"""

import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from diskchain.allocation.answers import COMPRESSED, DATA, PRESENT, ZERO
from diskchain.allocation.container import SECTOR, Container
from diskchain.allocation.extents import I64, NOWHERE, U32
from diskchain.allocation.grain_tables import PIECE, GrainTables, WholeTable, pieces_of, plain
from diskchain.allocation.preallocation import Holes
from diskchain.allocation.problems import Problems
from diskchain.allocation.raw_ranges import RawRanges
from diskchain.allocation.tables import Tables
from diskchain.errors import ImageError, StorageError
from diskchain.image.header import ImageHeader
from diskchain.storage.terms import Format
from diskchain.units import MiB

_DATA: Final = np.uint32(PRESENT | DATA)
#: Also what is nowhere in a format that QEMU puts over nothing.
_ZEROS: Final = PRESENT | ZERO
_NONE: Final = np.uint32(0)
_NO_BLOCK: Final = 0xFFFFFFFF
_NO_VDI_BLOCK: Final = 0xFFFFFFFE  # VDI_DISCARDED; above it VDI_UNALLOCATED
_VDI_STATIC: Final = 2
_FULLY_PRESENT: Final = 6  # PAYLOAD_BLOCK_FULLY_PRESENT
_VHDX_OFFSET: Final = 0x7FFFFFFFFFF00000
#: What a directory, or a table that is read whole, may have: more is taken for damage.
_MOST: Final = 256 * MiB

Maker = Callable[[Container, ImageHeader, Problems], Tables]


def _array(container: Container, at: int, count: int, dtype: str) -> NDArray[Any]:
    size = np.dtype(dtype).itemsize
    if count * size > _MOST or at < 0:
        raise ImageError(f"a table of {count} entries")
    raw = np.zeros(count * size, np.uint8)
    container.read_into(at, raw.data)
    return raw.view(dtype)


def _qed(container: Container, header: ImageHeader, problems: Problems) -> Tables:
    cluster, table, l1_at = struct.unpack("<4xII28xQ", container.read(0, 48))
    entries = cluster * table // 8

    def decode(values: NDArray[Any]) -> tuple[I64, U32]:
        offsets = values.astype(np.int64)
        tag = np.where(offsets == 1, _ZEROS, np.where(offsets == 0, _NONE, _DATA)).astype(np.uint32)
        return np.where(offsets > 1, offsets, NOWHERE), tag

    reach = entries * cluster
    directory = _array(container, l1_at, min(entries, -(-header.capacity // reach)), "<i8").astype(np.int64)
    return GrainTables(
        container,
        problems,
        directory,
        capacity=header.capacity,
        grain=cluster,
        per_table=entries,
        dtype="<i8",
        decode=decode,
    )


def _qcow(container: Container, header: ImageHeader, problems: Problems) -> Tables:
    bits, l2_bits, l1_at = struct.unpack(">32xBB6xQ", container.read(0, 48))
    encrypted = header.encryption is not None

    def decode(values: NDArray[Any]) -> tuple[I64, U32]:
        entries = values.astype(np.uint64)
        compressed = (entries >> np.uint64(63)) != 0
        offsets = (entries & np.uint64((1 << 63) - 1)).astype(np.int64)
        tag = np.where(entries == 0, _NONE, np.where(compressed, _DATA | np.uint32(COMPRESSED), _DATA))
        return np.where(compressed | (entries == 0) | encrypted, NOWHERE, offsets), tag.astype(np.uint32)

    count = -(-header.capacity >> bits + l2_bits)
    directory = _array(container, l1_at, count, ">i8").astype(np.int64)
    return GrainTables(
        container,
        problems,
        directory,
        capacity=header.capacity,
        grain=1 << bits,
        per_table=1 << l2_bits,
        dtype=">u8",
        decode=decode,
    )


def _vdi(container: Container, header: ImageHeader, problems: Problems) -> Tables:
    map_at, data_at = struct.unpack("<II", container.read(340, 8))
    static = int.from_bytes(container.read(76, 4), "little") == _VDI_STATIC
    block, extra, blocks = struct.unpack("<III", container.read(376, 12))

    def decode(values: NDArray[Any]) -> tuple[I64, U32]:
        numbers = values.astype(np.int64)
        return plain(data_at + numbers * (block + extra), numbers < _NO_VDI_BLOCK, _ZEROS)

    return GrainTables(
        container,
        problems,
        pieces_of(map_at, min(blocks, -(-header.capacity // block)), 4),
        capacity=header.capacity,
        grain=block,
        per_table=PIECE,
        dtype="<u4",
        decode=decode,
        holes=Holes(container) if static and container.tells_holes else None,
    )


def _vpc(container: Container, header: ImageHeader, problems: Problems) -> Tables:
    from diskchain.image.formats.vpc import FIXED, block_table, read_footer

    window = container.window()
    footer, _ = read_footer(window)
    if footer.kind == FIXED:
        return RawRanges(container, problems, capacity=header.capacity, fixed=True)
    if header.identity is not None and (header.identity.parent or header.identity.parent_names):
        raise StorageError(
            "holds only differences to a parent, by sectors, which are not read here", path=container.name
        )
    table_at, entries, block = block_table(window, footer)
    bitmap = -(-block // (SECTOR * 8) // SECTOR) * SECTOR

    def decode(values: NDArray[Any]) -> tuple[I64, U32]:
        sectors = values.astype(np.int64)
        return plain(sectors * SECTOR + bitmap, sectors != _NO_BLOCK, _ZEROS)

    return GrainTables(
        container,
        problems,
        pieces_of(table_at, min(entries, -(-header.capacity // block)), 4),
        capacity=header.capacity,
        grain=block,
        per_table=PIECE,
        dtype=">u4",
        decode=decode,
    )


def _vhdx(container: Container, header: ImageHeader, problems: Problems) -> Tables:
    from diskchain.image.formats.vhdx import current_header, read_layout
    from diskchain.image.formats.vhdx.tables import BAT_REGION, METADATA_REGION, Metadata, read_regions
    from diskchain.image.guid import NIL

    window = container.window()
    if current_header(window, full=False)[0].log != NIL:
        raise StorageError("has a log that was not replayed, so its table is not all there", path=container.name)
    regions, _, _ = read_regions(window)
    shape = read_layout(Metadata(window, *regions[METADATA_REGION]))
    if shape.parent:
        raise StorageError("holds only differences to a parent, which QEMU does not read", path=container.name)
    table = _array(container, regions[BAT_REGION][0], shape.entries, "<u8").astype(np.uint64)
    blocks = np.arange(-(-shape.capacity // shape.block_size))
    entries = table[blocks + blocks // shape.chunk]
    used = (entries & np.uint64(7)) == _FULLY_PRESENT
    host, tag = plain((entries & np.uint64(_VHDX_OFFSET)).astype(np.int64), used, _ZEROS)
    return WholeTable(container, problems, header.capacity, shape.block_size, host, tag)


def _parallels(container: Container, header: ImageHeader, problems: Problems) -> Tables:
    magic, sectors, clusters = struct.unpack("<16s12xII", container.read(0, 36))
    grain = sectors * SECTOR
    unit = grain if magic == b"WithouFreSpacExt" else SECTOR

    def decode(values: NDArray[Any]) -> tuple[I64, U32]:
        numbers = values.astype(np.int64)
        return plain(numbers * unit, numbers != 0)

    return GrainTables(
        container,
        problems,
        pieces_of(64, min(clusters, -(-header.capacity // grain)), 4),
        capacity=header.capacity,
        grain=grain,
        per_table=PIECE,
        dtype="<u4",
        decode=decode,
    )


def _vmdk(container: Container, header: ImageHeader, problems: Problems) -> Tables:  # noqa: ARG001  # as the others
    from diskchain.image.formats.vmdk import COWD, HOSTED, read_cowd, read_hosted

    window = container.window()
    start = container.read(0, 4)
    if start == HOSTED:
        sparse = read_hosted(window)
        if not sparse.capacity:
            raise StorageError("its data are in other files", path=container.name)
        grain, entries, directory_at = sparse.grain * SECTOR, sparse.table_entries, sparse.directory_at * SECTOR
        capacity, compressed, zeros = sparse.capacity * SECTOR, sparse.compressed, bool(sparse.flags & 4)
        count = -(-sparse.capacity // (sparse.grain * entries))
    elif start == COWD:
        capacity, grain, directory_at, count = read_cowd(window)
        entries, compressed, zeros = 4096, False, False
    else:
        raise StorageError("extents of this kind are not read here", path=container.name)

    def decode(values: NDArray[Any]) -> tuple[I64, U32]:
        sectors = values.astype(np.int64)
        is_zero = (sectors == 1) & zeros
        tag = np.where(
            is_zero, _ZEROS, np.where(sectors == 0, _NONE, _DATA | np.uint32(COMPRESSED if compressed else 0))
        )
        placed = (sectors != 0) & ~is_zero & (not compressed)
        return np.where(placed, sectors * SECTOR, NOWHERE), tag.astype(np.uint32)

    directory = _array(container, directory_at, count, "<u4").astype(np.int64) * SECTOR
    return GrainTables(
        container, problems, directory, capacity=capacity, grain=grain, per_table=entries, dtype="<u4", decode=decode
    )


MAKERS: Final[dict[Format, Maker]] = {
    Format.QED: _qed,
    Format.QCOW: _qcow,
    Format.VDI: _vdi,
    Format.VPC: _vpc,
    Format.PARALLELS: _parallels,
    Format.VHDX: _vhdx,
    Format.VMDK: _vmdk,
}
