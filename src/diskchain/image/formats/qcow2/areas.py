"""What a qcow2 header and its tables say the file must hold: a look of two reads for nearly every image. Belongs to ``qcow2``.

Every cluster in use has a refcount, so the highest of them is named by the last refcount block, and that by the refcount table. Where
the file ends before, the tables of the active disk tell whether anything refers to what is gone: after a crash clusters may be counted
that nothing uses (leaks, which ``qemu-img check`` counts apart). QEMU takes a last cluster that is not complete for whole.

Source: QEMU ``docs/interop/qcow2.txt``; ``inc_refcounts_imrt`` in ``block/qcow2-refcount.c`` for what counts as missing.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from diskchain.image.areas import Area, Effect, all_read, numbers, pieces, tables
from diskchain.image.formats.qcow2 import fixed_part, read_extensions
from diskchain.image.formats.qcow2.whole import FEW_CLUSTERS, PAGE, SECTOR, is_whole, is_zero
from diskchain.image.window import Window
from diskchain.units import MiB

_OFFSET: Final = 0x00FFFFFFFFFFFE00  # L1E_OFFSET_MASK, L2E_OFFSET_MASK
_BLOCK_OFFSET: Final = 0xFFFFFFFFFFFFFE00  # REFT_OFFSET_MASK
_COMPRESSED: Final = 1 << 62  # QCOW_OFLAG_COMPRESSED
_READS_ZEROS: Final = 1 << 0  # QCOW_OFLAG_ZERO
_EXTERNAL_DATA: Final = 1 << 2
_EXTENDED_L2: Final = 1 << 4
_BITMAPS_VALID: Final = 1 << 0
_BITMAPS_EXTENSION: Final = 0x23852875
_CRYPTO_HEADER: Final = 0x0537BE77
_BITMAPS = struct.Struct(">I4xQQ")
_CRYPTO_POINTER = struct.Struct(">QQ")

#: The refcount table is read in such pieces, until one ends in entries that are not used; the first is a sector, enough for 128 GiB.
_TABLE_PIECE: Final = MiB
#: Blocks that are looked through from the last back; all but the first are read only where the one behind holds nothing.
_MOST_BLOCKS: Final = 4

_ENTRY: Final = 8
_EXTENDED_ENTRY: Final = 16
_SUBCLUSTERS: Final = 32  # QCOW_EXTL2_SUBCLUSTERS_PER_CLUSTER
_MOST_TABLES: Final = 16  # of L2 entries, to find what the last cluster is


@dataclass(frozen=True, slots=True)
class _Image:
    """What of a header its areas hang on. ``entry``: bytes of an L2 entry; ``refcounts_size``: of the table, in bytes.

    ``most_clusters``: that can be in use; 0: nobody can tell.
    """

    cluster_bits: int
    cluster: int
    l1_at: int
    l1_size: int
    refcounts_at: int
    refcounts_size: int
    refcount_bits: int
    entry: int
    most_clusters: int
    external: bool


def missing_areas(window: Window) -> list[Area]:
    """The areas that end behind the file. Raises ImageError and StorageError where a table cannot be read."""
    if is_whole(window.head, window.size, window.fetch):
        return []
    fixed = fixed_part(window.head)
    size = window.size
    (
        _, _, _, _, bits, capacity, crypt, l1_size, l1_at, refcounts_at, clusters, snapshots, snapshots_at, incompatible, _, autoclear,
        order, _,
    ) = fixed  # fmt: skip
    l1_end = l1_at + (l1_size << 3)
    entry = _EXTENDED_ENTRY if incompatible & _EXTENDED_L2 else _ENTRY
    # An image without snapshots and bitmaps has never needed twice the clusters of its disk.
    most = 0 if snapshots or autoclear else (capacity >> bits) + FEW_CLUSTERS << 1
    external = incompatible & _EXTERNAL_DATA != 0
    image = _Image(
        bits, 1 << bits, l1_at, l1_size, refcounts_at, clusters << bits, 1 << order, entry, most, external=external
    )
    found = []
    if l1_end > size:
        found.append(Area("its L1 table", l1_end, Effect.BACKING))
    if refcounts_at + image.refcounts_size > size:
        found.append(Area("its refcount table", refcounts_at + image.refcounts_size, Effect.OVERWRITES))
    if snapshots:
        found += [each for each in _snapshots(window, snapshots_at, snapshots) if each.end > size]
    if crypt or autoclear & _BITMAPS_VALID:
        found += [each for each in _extensions(window, fixed) if each.end > size]
    end = _highest_end(window, image) if size > refcounts_at else 0
    if end:
        found.append(_lost_clusters(window, image, end, certain=l1_end > size or snapshots > 0))
    elif not found and size & image.cluster - 1 and l1_end != size:
        found += _last_cluster(window, image)
    return found


def _snapshots(window: Window, offset: int, count: int) -> Iterator[Area]:
    if offset >= window.size:
        yield Area("its snapshot table", offset + 1, Effect.EXTRAS)
        return
    from diskchain.image.formats.qcow2.tables import snapshot_tables

    for snapshot, at, entries in snapshot_tables(window, offset, count):
        yield Area(f"the L1 table of its snapshot {snapshot.name}", at + entries * _ENTRY, Effect.EXTRAS)


def _extensions(window: Window, fixed: tuple[Any, ...]) -> Iterator[Area]:
    """What the header extensions point to: the LUKS header and the directory of bitmaps, with their tables."""
    extension = read_extensions(window, fixed[17], fixed[2] or 1 << fixed[4])
    crypto, bitmaps = extension.get(_CRYPTO_HEADER), extension.get(_BITMAPS_EXTENSION)
    if crypto is not None:
        at, length = _CRYPTO_POINTER.unpack(crypto)  # of this length: check_pointers()
        yield Area("its LUKS header", at + length, Effect.REFUSES)
    if bitmaps is None or not fixed[15] & _BITMAPS_VALID:
        return
    from diskchain.image.formats.qcow2.tables import bitmap_tables

    count, length, at = _BITMAPS.unpack(bitmaps)
    yield Area("its directory of bitmaps", at + length, Effect.REFUSES)
    if at + length <= window.size:
        for bitmap, table_at, entries in bitmap_tables(window, at, length, count):
            yield Area(f"the table of its bitmap {bitmap.name}", table_at + entries * _ENTRY, Effect.EXTRAS)


def _highest_end(window: Window, image: _Image) -> int:
    """Where the highest cluster that has a refcount begins, and a byte; 0 where no such cluster is outside the file."""
    cluster, bits = image.cluster, image.refcount_bits
    per_block = (cluster << 3) // bits
    outside = -(-window.size // cluster)  # the first cluster that is not in the file
    for number, entry in _refcount_blocks(window, image, outside // per_block):
        at = entry & _BLOCK_OFFSET
        if not at:
            continue
        if at + cluster > window.size:
            return at + cluster
        skipped = max(0, outside - number * per_block) * bits >> 3
        length = cluster - skipped
        if image.most_clusters:
            length = min(length, max(PAGE, (image.most_clusters - outside) * bits >> 3))
        counts = window.read(at + skipped, length)
        if not is_zero(counts):
            used = len(counts.rstrip(b"\0"))
            # Entries of less than a byte begin with its lowest bits; the bytes of larger ones are all one entry's.
            last = (skipped + used - 1 << 3) + counts[used - 1].bit_length() - 1
            index = number * per_block + last // bits
            if index >= outside:
                return index * cluster + 1
    return 0


def _refcount_blocks(window: Window, image: _Image, least: int) -> list[tuple[int, int]]:
    """The last entries of the refcount table that are in use, last first, but none below ``least``; each with its number.

    The table is read as far as entries follow each other closely.
    """
    end = min(image.refcounts_size, window.size - image.refcounts_at) & -_ENTRY
    start = (least + 1) * _ENTRY
    table = window.read(image.refcounts_at, min(end, max(SECTOR, start)))
    while len(table) < end and any(table[-_ENTRY:]):
        table += window.read(image.refcounts_at + len(table), min(_TABLE_PIECE, end - len(table)))
    if is_zero(table[start:]):  # as of nearly every image
        return [(least, int.from_bytes(table[start - _ENTRY : start], "big"))]
    entries = numbers(table[start - _ENTRY :], ">Q")
    last = max(number for number, entry in enumerate(entries) if entry)
    return [(least + number, entries[number]) for number in range(last, max(-1, last - _MOST_BLOCKS), -1)]


def _lost_clusters(window: Window, image: _Image, end: int, *, certain: bool) -> Area:
    """Clusters that are counted and not in the file, and what that means. Not ``certain``: nothing may refer to them."""
    size = window.size
    l1 = _l1(window, image)
    if certain or any(at + image.cluster > size for at in l1):
        return Area("its tables and data", end, Effect.BACKING)
    lost = 0
    for _, table in tables(window, l1, image.cluster):
        lost = max(lost, max(_ends(table, image), default=0))
    if lost > size:
        return Area("its data", max(end, lost), Effect.ZEROS)
    if all_read(window, l1, image.cluster):
        return Area("clusters that nothing refers to", end, Effect.LEAKED)
    return Area("its data", end, Effect.ZEROS)


def _last_cluster(window: Window, image: _Image) -> list[Area]:
    """The last cluster, if it is incomplete and we find what needs all of it: a table, or data."""
    size = window.size
    start = size // image.cluster * image.cluster
    l1 = _l1(window, image)
    if start in l1:
        return [Area("its last L2 table", start + image.cluster, Effect.BACKING)]
    for _, table in tables(window, sorted(l1)[-_MOST_TABLES:], image.cluster):
        end = max(_ends(table, image), default=0)
        if end > size:
            return [Area("its last cluster of data", end, Effect.ZEROS)]
    return []


def _l1(window: Window, image: _Image) -> list[int]:
    """The places of the L2 tables, as far as the L1 table is in the file and short enough to be read whole."""
    found = (numbers(piece, ">Q") for _, piece in pieces(window, image.l1_at, image.l1_size * _ENTRY, _ENTRY))
    return [at for piece in found for entry in piece if (at := entry & _OFFSET)]


def _ends(table: bytes, image: _Image) -> Iterator[int]:
    """Where the data that the entries of an L2 table refer to end in this file; what is not needed is left out."""
    if image.external:
        return
    entries = numbers(table, ">Q")
    extended = image.entry == _EXTENDED_ENTRY
    bitmaps = entries[1::2] if extended else None
    shift = 62 - (image.cluster_bits - 8)
    for number, entry in enumerate(entries[::2] if extended else entries):
        if entry & _COMPRESSED:
            sectors = (entry & _COMPRESSED - 1) >> shift
            # The last sector may be incomplete: the length in bytes is inside the compressed data.
            yield ((entry & (1 << shift) - 1) // SECTOR + sectors) * SECTOR + 1
        elif bitmaps is not None:
            allocated = (bitmaps[number] & 0xFFFFFFFF).bit_length()
            yield (entry & _OFFSET) + allocated * image.cluster // _SUBCLUSTERS if allocated else 0
        elif not entry & _READS_ZEROS and (at := entry & _OFFSET):
            yield at + image.cluster
