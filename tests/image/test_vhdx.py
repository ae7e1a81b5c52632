"""VHDX: images built here, cross-read by dissect.hypervisor and libvhdi, and by qemu-img where it opens them."""

import json
from pathlib import Path
from subprocess import CalledProcessError
from uuid import UUID

import pytest
import pyvhdi
from dissect.hypervisor.disk.vhdx import VHDX
from tests.image.makers import vhdx
from tests.image.makers.vhdx import KiB, MiB, Vhdx
from tests.image.windows import bytes_window, file_window
from tests.live.storage import QemuImg

from diskchain.errors import ImageError
from diskchain.image.header import BackingReference, ImageHeader
from diskchain.image.inspect import inspect
from diskchain.storage.terms import Format

PARENT_STATE = UUID("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee")
LOCATOR = {
    "parent_linkage": "{aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee}",
    "parent_linkage2": "{00000000-0000-0000-0000-000000000000}",
    "relative_path": ".\\bäse.vhdx",
    "volume_path": "\\\\?\\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\\disks\\bäse.vhdx",
    "absolute_win32_path": "C:\\disks\\bäse.vhdx",
}


def read(image: Vhdx, *, full: bool = True) -> ImageHeader:
    return inspect(bytes_window(vhdx.make(image)), Format.VHDX, full=full)


def test_a_differencing_image_is_read_like_dissect_and_libvhdi_read_it(tmp_path: Path) -> None:
    base, child = tmp_path / "bäse.vhdx", tmp_path / "child.vhdx"
    base.write_bytes(vhdx.make(Vhdx(data_write=PARENT_STATE)))
    child.write_bytes(vhdx.make(Vhdx(locator=LOCATOR)))
    libvhdi = pyvhdi.file()
    libvhdi.open(str(child))
    dissected = VHDX(child)
    try:
        header = inspect(file_window(child), Format.VHDX, full=True)

        assert (header.capacity, header.cluster_size) == (dissected.size, dissected.block_size)
        assert dict(header.details)["virtual disk id"] == str(dissected.id)
        shown = {name: value for name, value in header.details if name.startswith("parent locator ")}
        assert shown == {f"parent locator {key}": value for key, value in dissected.parent_locator.entries.items()}
        assert header.identity is not None
        ids = (libvhdi.get_identifier(), libvhdi.get_parent_identifier())
        assert (header.identity.own, header.identity.parent) == ids
        assert libvhdi.get_parent_filename() in header.identity.parent_names
    finally:
        dissected.parent.fh.close()
        dissected.fh.close()
        libvhdi.close()


def test_the_parents_data_write_guid_is_what_the_child_remembers() -> None:
    base, child = read(Vhdx(data_write=PARENT_STATE)), read(Vhdx(locator=LOCATOR))

    assert base.identity is not None
    assert child.identity is not None
    assert child.identity.parent == base.identity.own == str(PARENT_STATE)


def test_a_second_linkage_is_kept_unless_it_is_all_zeros() -> None:
    second = UUID("12345678-bbbb-4ccc-8ddd-eeeeeeeeeeee")
    none, both = read(Vhdx(locator=LOCATOR)), read(Vhdx(locator=LOCATOR | {"parent_linkage2": f"{{{second}}}".upper()}))

    assert none.identity is not None
    assert both.identity is not None
    assert (none.identity.parent_or, both.identity.parent_or) == (None, str(second))
    assert both.identity.parent == str(PARENT_STATE)


def test_a_linkage_in_capitals_is_the_same_guid() -> None:
    child = read(Vhdx(locator=LOCATOR | {"parent_linkage": LOCATOR["parent_linkage"].upper()}))

    assert child.identity is not None
    assert child.identity.parent == str(PARENT_STATE)


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        (("relative_path", "absolute_win32_path", "volume_path"), "./bäse.vhdx"),
        (("absolute_win32_path", "volume_path"), "C:/disks/bäse.vhdx"),
        (("volume_path",), "//?/Volume{26a21bda-a627-11d7-9931-806e6f6e6963}/disks/bäse.vhdx"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_a_relative_path_is_preferred(keys: tuple[str, ...], path: str) -> None:
    header = read(Vhdx(locator={key: LOCATOR[key] for key in keys}), full=False)

    assert header.backing == BackingReference(path, "vhdx", implied=True)


def test_an_image_without_parent_agrees_with_qemu_img(qemu_img: QemuImg, tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    path.write_bytes(vhdx.make(Vhdx(capacity=300 * MiB, block_size=32 * MiB)))
    theirs = json.loads(qemu_img("info", "--output=json", "-f", "vhdx", path))

    header = inspect(file_window(path), Format.VHDX)

    assert (header.capacity, header.cluster_size) == (theirs["virtual-size"], theirs["cluster-size"])
    assert header.backing is None


def test_a_log_to_be_replayed_makes_an_image_dirty() -> None:
    assert read(Vhdx(log=UUID(int=9))).dirty
    assert not read(Vhdx()).dirty


@pytest.mark.parametrize("sequences", [(1, 2), (2, 1)])
def test_the_header_with_the_higher_sequence_number_counts(sequences: tuple[int, int]) -> None:
    image = bytearray(vhdx.make(Vhdx(sequences=sequences)))
    stale = 64 * KiB if sequences == (1, 2) else 128 * KiB
    older = bytearray(image[stale : stale + 4 * KiB])
    older[32:48] = PARENT_STATE.bytes_le  # its data write GUID
    older[4:8] = bytes(4)
    image[stale : stale + 4 * KiB] = vhdx.sealed(bytes(older))

    header = inspect(bytes_window(bytes(image)), Format.VHDX, full=True)

    assert header.identity is not None
    assert header.identity.own == str(UUID(int=7))
    assert header.remarks == ()
    assert dict(header.details)["sequence number"] == 2


@pytest.mark.parametrize(
    ("at", "problem"), [(128 * KiB + 9, "one of the two headers"), (192 * KiB + 20, "region table")]
)
def test_a_broken_copy_is_passed_over_and_remarked_upon(at: int, problem: str) -> None:
    image = bytearray(vhdx.make(Vhdx()))
    image[at] ^= 0xFF

    header = inspect(bytes_window(bytes(image)), Format.VHDX, full=True)

    assert header.capacity == 20 * MiB
    assert [problem in message for _, message in header.remarks] == [True]


@pytest.mark.parametrize("copies", [(64 * KiB, 128 * KiB), (192 * KiB, 256 * KiB)], ids=["headers", "region tables"])
def test_two_broken_copies_are_an_error(copies: tuple[int, int]) -> None:
    image = bytearray(vhdx.make(Vhdx()))
    for at in copies:
        image[at + 8] ^= 0xFF

    with pytest.raises(ImageError, match="both"):
        inspect(bytes_window(bytes(image)), Format.VHDX)


def test_a_required_region_nobody_knows_is_an_unknown_incompatible_feature() -> None:
    features = read(Vhdx(extra_region=UUID(int=77))).features

    assert features is not None
    assert features.unknown_incompatible == (str(UUID(int=77)),)


@pytest.mark.parametrize(
    "broken",
    [
        Vhdx(block_size=3 * MiB),
        Vhdx(block_size=512),
        Vhdx(sector_size=1000),
        Vhdx(capacity=1 << 60),
        Vhdx(capacity=1001),
    ],
    ids=["odd block", "small block", "sector", "huge", "half a sector"],
)
def test_impossible_parameters_are_refused(broken: Vhdx) -> None:
    with pytest.raises(ImageError):
        read(broken)


def test_a_parent_locator_that_would_unfold_to_gigabytes_is_refused() -> None:
    with pytest.raises(ImageError, match="a parent locator of 65 entries"):
        read(Vhdx(locator={f"key{number}": "value" for number in range(65)}))


@pytest.mark.parametrize("offset", [0, 512, MiB + 512, 3 * MiB, 1 << 63, (1 << 64) - MiB], ids=hex)
def test_a_block_table_that_is_not_in_its_place_is_malformed_as_it_is_for_qemu(
    qemu_img: QemuImg, tmp_path: Path, offset: int
) -> None:
    path = tmp_path / "disk.vhdx"
    qemu_img("create", "-q", "-f", "vhdx", path, "10M")
    data = bytearray(path.read_bytes())
    for table in (192 * KiB, 256 * KiB):
        data[table + 32 : table + 40] = offset.to_bytes(8, "little")
        data[table + 4 : table + 8] = bytes(4)
        checksum = vhdx.crc32c(bytes(data[table : table + 64 * KiB]))
        data[table + 4 : table + 8] = checksum.to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(CalledProcessError):
        qemu_img("info", "-f", "vhdx", path)
    with pytest.raises(ImageError, match="a region"):
        inspect(file_window(path), Format.VHDX)
