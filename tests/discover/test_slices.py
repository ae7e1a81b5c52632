"""A slice is a part of its container, and the format begins where the slice does, as QEMU reads it."""

import json
from pathlib import Path

import pytest
from tests.live.storage import QemuImg

from diskchain.discover import Discoverer, Layer
from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.location import FileLocation
from diskchain.storage.slice import Slice
from diskchain.storage.source import Source
from diskchain.storage.terms import Format

KIB = 1 << 10
AT = 192 * KIB


def sliced(path: Path, format: Format | None, part: Slice, *, probe: bool = False) -> Layer:
    return Discoverer().discover(Source(FileLocation(str(path)), format, slice=part), probe=probe).top


def inside(path: Path, image: Path) -> tuple[Path, Slice]:
    """A container with ``image`` from ``AT`` on, and other bytes before and behind."""
    data = image.read_bytes()
    data = data.ljust(-(-len(data) // 512) * 512, b"\0")  # QEMU's slices are whole sectors
    path.write_bytes(b"\xaa" * AT + data + b"\xaa" * KIB)
    return path, Slice(AT, len(data))


def seen_by_qemu(qemu_img: QemuImg, path: Path, format: Format, part: Slice) -> int:
    options = (
        f"driver={format},file.driver=raw,file.offset={part.offset},file.size={part.size},file.file.filename={path}"
    )
    return int(json.loads(qemu_img("info", "--output=json", "--image-opts", options))["virtual-size"])


@pytest.fixture
def luks(qemu_img: QemuImg, tmp_path: Path) -> Path:
    path = tmp_path / "luks"
    options = ("--object", "secret,id=s,data=passphrase", "-o", "key-secret=s,iter-time=10")
    qemu_img("create", "-q", "-f", "luks", *options, path, "1M")
    return path


def test_luks_inside_a_slice_is_seen(luks: Path, tmp_path: Path) -> None:
    layer = sliced(*_with(inside(tmp_path / "container", luks), Format.RAW))
    assert layer.source.encryption == Encryption(EncryptionFormat.LUKS)
    assert layer.header is not None
    assert layer.header.capacity == 1024 * KIB


def test_luks_before_a_slice_is_not_its_header(luks: Path) -> None:
    layer = sliced(luks, Format.RAW, Slice(64 * KIB, 512 * KIB))
    assert layer.source.encryption is None
    assert layer.header is not None
    assert layer.header.capacity == 512 * KIB


@pytest.mark.parametrize("format", [Format.QCOW2, Format.QED, Format.VPC, Format.VDI, Format.VMDK, Format.VHDX])
def test_any_format_is_read_from_its_slice(qemu_img: QemuImg, tmp_path: Path, format: Format) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-q", "-f", str(format), image, "20M")
    path, part = inside(tmp_path / "container", image)
    layer = sliced(path, format, part)
    assert not layer.findings
    assert layer.header is not None
    assert layer.header.capacity == seen_by_qemu(qemu_img, path, format, part)


def test_an_image_in_its_slice_and_the_same_before_it_are_not_confused(qemu_img: QemuImg, tmp_path: Path) -> None:
    image, other = tmp_path / "image", tmp_path / "other"
    qemu_img("create", "-q", "-f", "qcow2", image, "20M")
    qemu_img("create", "-q", "-f", "qcow2", other, "30M")
    whole = other.read_bytes().ljust(1 << 20, b"\0")
    (tmp_path / "container").write_bytes(whole + image.read_bytes())
    layer = sliced(tmp_path / "container", Format.QCOW2, Slice(1 << 20, image.stat().st_size))
    assert layer.header is not None
    assert layer.header.capacity == 20 << 20


def test_a_guess_is_made_from_the_slice(qemu_img: QemuImg, tmp_path: Path) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-q", "-f", "qcow2", image, "20M")
    assert sliced(*_with(inside(tmp_path / "container", image), None), probe=True).source.format is Format.QCOW2


def test_a_slice_without_a_size_goes_to_the_end(tmp_path: Path) -> None:
    (tmp_path / "container").write_bytes(bytes(AT + 5 * KIB))
    layer = sliced(tmp_path / "container", Format.RAW, Slice(AT, 0))
    assert layer.header is not None
    assert layer.header.capacity == 5 * KIB


@pytest.mark.parametrize("part", [Slice(0, 513), Slice(512, 1), Slice(1024, 0), Slice(1 << 62, 1 << 62)])
def test_a_slice_that_ends_behind_its_container_is_told(tmp_path: Path, part: Slice) -> None:
    (tmp_path / "container").write_bytes(bytes(512))
    layer = sliced(tmp_path / "container", Format.RAW, part)
    assert [found.id for found in layer.findings] == ["malformed"]


def test_a_format_that_is_not_in_the_slice_is_told(tmp_path: Path, luks: Path) -> None:
    path, part = inside(tmp_path / "container", luks)
    assert [found.id for found in sliced(path, Format.QCOW2, part).findings] == ["format-mismatch"]


def _with(made: tuple[Path, Slice], format: Format | None) -> tuple[Path, Format | None, Slice]:
    return made[0], format, made[1]
