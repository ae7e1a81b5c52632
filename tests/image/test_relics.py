"""bochs, cloop, cow, DMG and Parallels bitmaps: images built here, read by qemu-img where it still opens them."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CalledProcessError
from uuid import UUID

import pytest
from tests.image.makers import relics
from tests.image.windows import bytes_window, file_window
from tests.live.storage import QemuImg

from diskchain.errors import ImageError
from diskchain.image.bitmap import Bitmap
from diskchain.image.header import BackingReference
from diskchain.image.inspect import inspect
from diskchain.storage.terms import Format

MiB = 1 << 20
SEGMENT = UUID("12345678-1234-4234-8234-123456789abc")


@pytest.mark.parametrize(
    ("format", "make"),
    [
        (Format.BOCHS, lambda: relics.bochs(3 * MiB)),
        (Format.BOCHS, lambda: relics.bochs(3 * MiB, version=0x00010000)),
        (Format.CLOOP, lambda: relics.cloop(bytes(MiB))),
        (Format.DMG, lambda: relics.dmg(bytes(MiB), SEGMENT)),
        (Format.PARALLELS, lambda: relics.parallels_with_bitmap(3 * MiB, SEGMENT, 65536)),
    ],
    ids=["bochs 2", "bochs 1", "cloop", "dmg", "parallels"],
)
def test_capacity_agrees_with_qemu_img(
    qemu_img: QemuImg, format: Format, make: Callable[[], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "image"
    path.write_bytes(make())
    theirs = json.loads(qemu_img("info", "--output=json", "-f", format.value, path))

    assert inspect(file_window(path), format).capacity == theirs["virtual-size"]


def test_what_a_bochs_overlay_is_over_its_header_does_not_say() -> None:
    header = inspect(bytes_window(relics.bochs(MiB, subtype=b"Undoable")), Format.BOCHS, full=True)

    assert header.backing is None
    assert dict(header.details)["subtype"] == "Undoable"


@pytest.mark.parametrize("version", [2, 3])
def test_a_cow_overlay_remembers_its_backing_file_and_when_that_changed(version: int) -> None:
    header = inspect(bytes_window(relics.cow(MiB, b"/b\xe4se", changed=1000, version=version)), Format.COW)

    assert header.capacity == MiB
    assert header.backing == BackingReference("/b\udce4se")
    assert header.identity is not None
    assert header.identity.parent_time == 1000


def test_a_cow_image_without_backing_file_has_no_reference() -> None:
    assert inspect(bytes_window(relics.cow(MiB)), Format.COW).backing is None


def test_a_dmg_is_known_by_its_trailer() -> None:
    header = inspect(bytes_window(relics.dmg(bytes(MiB), SEGMENT)), Format.DMG, full=True)

    assert header.identity is not None
    assert header.identity.own == str(SEGMENT)
    assert dict(header.details) == {"variant": "device", "flags": 1, "segment": 1, "segments": 1}


def test_of_a_split_dmg_it_is_told_which_segment_it_is() -> None:
    header = inspect(bytes_window(relics.dmg(bytes(MiB), SEGMENT, number=2, count=3)), Format.DMG)

    [(id, message)] = header.remarks
    assert id == "unsupported-image"
    assert message.startswith("segment 2 of 3")


@pytest.mark.parametrize("version", [1, 2])
def test_an_encrypted_dmg_is_known_and_qemu_opens_none(qemu_img: QemuImg, tmp_path: Path, version: int) -> None:
    path = tmp_path / "image.dmg"
    path.write_bytes(relics.encrypted_dmg(bytes(MiB), SEGMENT, version=version))
    header = inspect(file_window(path), Format.DMG, full=True)

    assert header.encryption is not None
    assert header.encryption.kind == "dmg"
    assert [id for id, _ in header.remarks] == ["unsupported-image"]
    assert header.capacity == MiB
    with pytest.raises(CalledProcessError):
        qemu_img("info", "-f", "dmg", path)


def test_the_header_of_an_encrypted_dmg_says_how_it_is_encrypted() -> None:
    header = inspect(bytes_window(relics.encrypted_dmg(bytes(MiB), SEGMENT)), Format.DMG, full=True)

    assert header.encryption is not None
    assert (header.encryption.uuid, header.encryption.key_bits) == (str(SEGMENT), 256)
    assert (header.encryption.payload_offset, header.encryption.payload_size) == (4096, MiB)
    assert dict(header.details) == {"algorithm": "0x80000001", "block size": 512, "keys": 0}


def test_parallels_bitmaps_are_read_when_asked_for() -> None:
    image = relics.parallels_with_bitmap(3 * MiB, SEGMENT, 65536)

    assert inspect(bytes_window(image), Format.PARALLELS, full=True).bitmaps == (Bitmap(str(SEGMENT), 65536),)
    assert inspect(bytes_window(image), Format.PARALLELS).bitmaps == ()


def test_a_parallels_image_in_use_is_dirty() -> None:
    assert inspect(bytes_window(relics.parallels_with_bitmap(MiB, SEGMENT, 65536, in_use=True)), Format.PARALLELS).dirty


@pytest.mark.parametrize(
    ("format", "image", "at", "value"),
    [
        (Format.BOCHS, relics.bochs(MiB), 64, b"\x03"),
        (Format.BOCHS, relics.bochs(MiB), 48, b"S"),
        (Format.BOCHS, relics.bochs(MiB), 81, b"\x07"),
        (Format.BOCHS, relics.bochs(MiB), 72, b"\x01\0\0"),
        (Format.CLOOP, relics.cloop(bytes(8192)), 131, b"\x07"),
        (Format.CLOOP, relics.cloop(bytes(8192)), 132, b"\xff"),
        (Format.COW, relics.cow(MiB), 7, b"\x09"),
        (Format.COW, relics.cow(MiB), 1036, b"\xff"),
        (Format.COW, relics.cow(MiB), 1047, b"\x07"),
        (Format.DMG, relics.dmg(bytes(512), SEGMENT), -512 + 11, b"\x01"),
        (Format.DMG, relics.encrypted_dmg(bytes(512), SEGMENT), 11, b"\x03"),
        (Format.DMG, relics.encrypted_dmg(bytes(512), SEGMENT), 56, b"\xff"),
        (Format.DMG, relics.dmg(bytes(512), SEGMENT), -512 + 32, b"\x01"),
        (Format.DMG, relics.dmg(bytes(512), SEGMENT), -512 + 492, b"\xff"),
        (Format.PARALLELS, relics.parallels_with_bitmap(MiB, SEGMENT, 65536), 16, b"\x03"),
        (Format.PARALLELS, relics.parallels_with_bitmap(MiB, SEGMENT, 65536), 28, b"\0\0\0\0"),
        (Format.PARALLELS, relics.parallels_with_bitmap(MiB, SEGMENT, 65536), 31, b"\x7f"),
        (Format.PARALLELS, relics.parallels_with_bitmap(MiB, SEGMENT, 65536), 65536, b"\0"),
        (Format.PARALLELS, relics.parallels_with_bitmap(MiB, SEGMENT, 65536), 65536 + 40, b"\x08"),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else None,
)
def test_impossible_parameters_are_refused(format: Format, image: bytes, at: int, value: bytes) -> None:
    broken = bytearray(image)
    at %= len(broken)
    broken[at : at + len(value)] = value

    with pytest.raises(ImageError):
        inspect(bytes_window(bytes(broken)), format, full=True)


def test_a_cloop_image_that_ends_within_its_table_is_malformed() -> None:
    with pytest.raises(ImageError, match="table of blocks"):
        inspect(bytes_window(relics.cloop(bytes(8192))[:150]), Format.CLOOP)
