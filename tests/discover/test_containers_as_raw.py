"""A file that is read as raw and begins like a container: legal, told, and never followed."""

from pathlib import Path

import pytest
from tests.discover.chains import overlay, unrecorded_overlay
from tests.image.makers import vhdx, vmdk
from tests.live.storage import QemuImg

from diskchain.checks.consistency import examine
from diskchain.discover import BackingChain, Discoverer
from diskchain.findings import Severity
from diskchain.readers.policy import UPLOAD
from diskchain.storage.location import FileLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format

MADE = ["qcow2", "qcow", "qed", "vmdk", "vdi", "vpc", "vhdx", "parallels"]


def discovered(
    path: Path, format: Format | None, backing: Source | None = None, *, probe: bool = False
) -> BackingChain:
    source = Source(FileLocation(str(path)), format)
    return Discoverer().discover(source if backing is None else source._replace(backing=backing), probe=probe)


def mismatches(chain: BackingChain) -> list[tuple[int, Severity]]:
    return [(position, found.severity) for position, found in examine(chain) if found.id == "format-mismatch"]


@pytest.fixture(params=MADE)
def container(request: pytest.FixtureRequest, qemu_img: QemuImg, tmp_path: Path) -> Path:
    path = tmp_path / "base.img"
    qemu_img("create", "-q", "-f", request.param, path, "1M")
    return path


def test_a_container_recorded_as_raw_is_a_warning_about_the_base(
    qemu_img: QemuImg, container: Path, tmp_path: Path
) -> None:
    chain = discovered(overlay(qemu_img, tmp_path / "top.qcow2", container.name, "raw"), Format.QCOW2)
    assert mismatches(chain) == [(1, Severity.WARNING)]
    assert chain.complete


def test_a_container_declared_raw_on_top_is_a_note(container: Path) -> None:
    chain = discovered(container, Format.RAW)
    assert mismatches(chain) == [(0, Severity.INFO)]
    assert chain.source.format is Format.RAW


def test_a_container_declared_raw_as_a_base_is_a_warning(qemu_img: QemuImg, container: Path, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(container), "raw")
    base = Source(FileLocation(str(container)), Format.RAW)
    assert mismatches(discovered(top, Format.QCOW2, base)) == [(1, Severity.WARNING)]


def test_where_record_and_document_disagree_that_is_said_once(qemu_img: QemuImg, tmp_path: Path) -> None:
    base = tmp_path / "base.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", base, "1M")
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(base), "qcow2")
    declared = Source(FileLocation(str(base)), Format.RAW)
    assert mismatches(discovered(top, Format.QCOW2, declared)) == [(0, Severity.ERROR)]


def test_what_such_a_header_names_is_not_even_a_refused_reference(qemu_img: QemuImg, tmp_path: Path) -> None:
    disk = overlay(qemu_img, tmp_path / "disk.raw", "/etc/passwd", "raw")
    chain = Discoverer(UPLOAD).discover(Source(FileLocation(str(disk)), Format.RAW))
    assert len(list(chain.layers)) == 1
    assert not list(chain.findings)


UNKNOWN_TO_LIBVIRT = {
    Format.VHDX: vhdx.make(vhdx.Vhdx()),
    Format.VMDK: vmdk.descriptor(['RW 1 FLAT "x" 0'], create_type="monolithicFlat"),
}


@pytest.mark.parametrize("format", UNKNOWN_TO_LIBVIRT)
def test_a_base_that_libvirt_guesses_to_be_raw_is_told(qemu_img: QemuImg, tmp_path: Path, format: Format) -> None:
    (tmp_path / "base").write_bytes(UNKNOWN_TO_LIBVIRT[format])
    chain = discovered(unrecorded_overlay(qemu_img, tmp_path / "top.qcow2", "base"), Format.QCOW2)
    assert [layer.source.format for layer in chain.layers] == [Format.QCOW2, Format.RAW]
    assert mismatches(chain) == [(1, Severity.WARNING)]


@pytest.mark.parametrize("format", UNKNOWN_TO_LIBVIRT)
def test_an_image_named_by_itself_is_what_it_begins_with(tmp_path: Path, format: Format) -> None:
    path = tmp_path / "image"
    path.write_bytes(UNKNOWN_TO_LIBVIRT[format])
    chain = discovered(path, None, probe=True)
    assert chain.source.format is format
    assert mismatches(chain) == []


def test_a_version_nobody_knows_is_no_raw_image(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"QFI\xfb\x00\x00\x00\x04" + bytes(504))
    assert [found.id for found in discovered(path, None, probe=True).findings] == ["malformed"]


def test_an_undeclared_disk_is_told_once(qemu_img: QemuImg, tmp_path: Path) -> None:
    path = tmp_path / "image"
    qemu_img("create", "-q", "-f", "qcow2", path, "1M")
    chain = discovered(path, None)
    assert [found.id for found in chain.findings] == ["format-assumed-raw"]
    assert mismatches(chain) == []


@pytest.mark.parametrize(
    "start",
    [
        b"QFI\xfb\0\0\0\x07",
        b"LUKS\xba\xbe\0\x07",
        b"KDMV\x09\0\0\0",
        b"# Disk of mine",
        b"<<< a text",
        b"Without a doubt",
        b"",
    ],
)
def test_other_bytes_on_a_disk_are_nobodys_business(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(start.ljust(1 << 20, b"\0"))
    chain = discovered(path, Format.RAW)
    assert not list(chain.findings)
    assert not examine(chain)


def test_a_data_file_whose_guest_wrote_a_header_is_no_mismatch(qemu_img: QemuImg, tmp_path: Path) -> None:
    disk, data = tmp_path / "disk.qcow2", tmp_path / "data.raw"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data},data_file_raw=on", disk, "1M")
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "inner", "1M")
    data.write_bytes((tmp_path / "inner").read_bytes().ljust(1 << 20, b"\0"))
    assert mismatches(discovered(disk, Format.QCOW2)) == []
