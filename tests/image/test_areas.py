"""What an image must hold, by its header and tables: formats that qemu-img does not write, and how little is read of any."""

import random
import struct
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import pytest
from tests.image.makers import relics, vdi, vhd, vhdx, vmdk
from tests.image.windows import bytes_window

from diskchain.errors import ImageError
from diskchain.image.areas import MOST_BYTES, MOST_READS, Area, Effect
from diskchain.image.inspect import inspect, missing_areas
from diskchain.image.window import HEAD, Window
from diskchain.storage.terms import Format

KiB, MiB, GiB, TiB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
SOME = UUID(int=7)


def put(image: bytes, at: int, words: bytes) -> bytes:
    """``image`` with ``words`` at ``at``, made longer where it has to be."""
    return image[:at].ljust(at, b"\0") + words + image[at + len(words) :]


def with_bochs_extent() -> bytes:
    image = relics.bochs(64 * KiB)
    return put(image, 512, struct.pack("<I", 2)).ljust(512 + 64 + 3 * (512 + 4096), b"\0")


def with_cowd_grain() -> bytes:
    """A table in the sector behind the directory, and a grain of one sector behind that."""
    image = vmdk.cowd(MiB)
    directory = 2048
    image = put(image, directory, struct.pack("<I", 5))
    image = put(image, 5 * 512, struct.pack("<I", 50)).ljust(50 * 512, b"\0")
    return image.ljust(51 * 512, b"\1")


def with_sesparse_grain() -> bytes:
    """The second grain of the area for grains."""
    image = vmdk.sesparse(MiB)
    directory, tables = (struct.unpack_from("<Q", image, at)[0] * 512 for at in (128, 144))
    grains = len(image) // 512
    image = put(image, 80 + 14 * 8, struct.pack("<Q", grains))
    image = put(image, directory, struct.pack("<Q", 1 << 60))
    image = put(image, tables, struct.pack("<Q", 3 << 60 | 1 << 48))
    return image.ljust(grains * 512 + 2 * 4096, b"\1")


def with_vhd_block(kind: Callable[..., bytes]) -> bytes:
    """A block, with its bitmap, behind the table."""
    image = kind()
    table = struct.unpack_from(">Q", image, 512 + 16)[0]
    at = -(-(len(image) - 512) // 512)
    block = bytes(512 + 2 * MiB)
    return put(image, table, struct.pack(">I", at))[:-512].ljust(at * 512, b"\0") + block + image[-512:]


def with_vhdx_bitmap() -> bytes:
    """A block of sector bitmaps of a differencing disk, which is 1 MiB, behind all else."""
    locator = {"parent_linkage": f"{{{SOME}}}", "relative_path": "base.vhdx"}
    shape = vhdx.Vhdx(locator=locator)
    image = vhdx.make(shape)
    at = -(-len(image) // MiB) * MiB
    chunk = (1 << 23) * shape.sector_size // shape.block_size
    return put(image, vhdx.BAT_AT + 8 * chunk, struct.pack("<Q", at | 6)).ljust(at + MiB, b"\0")


WHOLE: dict[str, tuple[Format, bytes]] = {
    "bochs": (Format.BOCHS, with_bochs_extent()),
    "cloop": (Format.CLOOP, relics.cloop(random.Random(1).randbytes(64 * KiB))),  # noqa: S311  # what does not compress
    "cowd": (Format.VMDK, with_cowd_grain()),
    "sesparse": (Format.VMDK, with_sesparse_grain()),
    "vhd, dynamic": (Format.VPC, with_vhd_block(lambda: vhd.dynamic(20 * MiB))),
    "vhdx, differencing": (Format.VHDX, with_vhdx_bitmap()),
}
EMPTY: dict[str, tuple[Format, bytes]] = {
    "bochs": (Format.BOCHS, relics.bochs(MiB)),
    "cow": (Format.COW, relics.cow(MiB)),
    "dmg": (Format.DMG, relics.dmg(bytes(64 * KiB), SOME)),
    "vmdk, sparse": (Format.VMDK, vmdk.sparse(64 * MiB, vmdk.descriptor([]))),
    "vmdk, stream": (Format.VMDK, vmdk.stream_optimized(64 * MiB, vmdk.descriptor([]))),
    "vmdk, cowd": (Format.VMDK, vmdk.cowd(64 * MiB)),
    "vmdk, sesparse": (Format.VMDK, vmdk.sesparse(64 * MiB)),
    "vmdk, descriptor": (Format.VMDK, vmdk.descriptor(['RW 8 FLAT "x" 0'])),
    "vhd, dynamic": (Format.VPC, vhd.dynamic(20 * MiB)),
    "vhd, fixed": (Format.VPC, vhd.fixed(bytes(MiB))),
    "vhdx": (Format.VHDX, vhdx.make(vhdx.Vhdx())),
}


@pytest.mark.parametrize(
    ("format", "image"), [*WHOLE.values(), *EMPTY.values()], ids=[*WHOLE, *(f"empty {name}" for name in EMPTY)]
)
def test_of_a_whole_image_nothing_is_missing(format: Format, image: bytes) -> None:
    assert inspect(bytes_window(image), format)
    assert missing_areas(bytes_window(image), format) == []


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("less", [1, 512, 4096])
def test_without_its_end_the_data_are_missing(name: str, less: int) -> None:
    format, image = WHOLE[name]
    if format is Format.VPC:
        less += 512  # the footer
    areas = missing_areas(bytes_window(image[:-less]), format)
    end = len(image) - 512 if format is Format.VPC else len(image)
    assert [(area.what, area.end) for area in areas] == [("its data", end)]


def test_of_the_last_grain_only_what_the_disk_needs_has_to_be_there() -> None:
    """Of 100 sectors, in grains of 128."""
    image = vmdk.sparse(100 * 512, vmdk.descriptor([]))
    table = struct.unpack_from("<I", image, 21 * 512)[0] * 512
    image = put(image, table, struct.pack("<I", 128))
    for size, missing in ((228 * 512, []), (228 * 512 - 1, [228 * 512])):
        assert [area.end for area in missing_areas(bytes_window(image, size), Format.VMDK)] == missing


def test_what_qemu_would_refuse_it_takes_when_only_the_last_sector_is_incomplete() -> None:
    format, image = WHOLE["vhd, dynamic"]
    assert [area.effect for area in missing_areas(bytes_window(image[:-513]), format)] == [Effect.ZEROS]
    assert [area.effect for area in missing_areas(bytes_window(image[:-1024]), format)] == [Effect.REFUSES]


HUGE: dict[str, tuple[Format, bytes, int]] = {
    "vdi": (Format.VDI, vdi.make(vdi.Vdi(capacity=1 << 44)), 65 * MiB),
    "vhdx": (Format.VHDX, vhdx.make(vhdx.Vhdx(capacity=1 * TiB, block_size=MiB)), 16 * MiB),
    "vhd": (Format.VPC, vhd.dynamic(2000 * GiB, block_size=512 * KiB), 64 * MiB),
    "vmdk": (Format.VMDK, vmdk.sparse(TiB, vmdk.descriptor([])), 128 * MiB),
    "qcow2": (
        Format.QCOW2,
        struct.pack(
            ">4sIQIIQIIQQIIQQQQII",
            b"QFI\xfb",
            3,
            0,
            0,
            21,
            TiB << 8,
            0,
            1 << 21,
            1 << 26,
            1 << 21,
            4,
            0,
            0,
            0,
            0,
            0,
            4,
            104,
        ),
        1 << 40,
    ),
}


@pytest.mark.parametrize("name", HUGE)
@pytest.mark.parametrize("fill", [b"\0", b"\x01"])
def test_a_look_reads_little_of_the_largest_image(name: str, fill: bytes) -> None:
    format, start, size = HUGE[name]
    reads: list[int] = []

    def fetch(offset: int, length: int) -> bytes:
        reads.append(length)
        return (start[offset : offset + length]).ljust(min(length, size - offset), fill)

    window = Window(start[:HEAD].ljust(HEAD, fill), max(size, len(start)), fetch)
    with suppress(ImageError):
        missing_areas(window, format)
    assert sum(reads) <= 3 * MOST_BYTES
    assert len(reads) <= 2 * MOST_READS


def test_an_area_says_what_it_is_and_where_it_ends() -> None:
    assert missing_areas(bytes_window(relics.bochs(MiB)[:700]), Format.BOCHS) == [
        Area("its catalog", 1536, Effect.OTHER)
    ]
