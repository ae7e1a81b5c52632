"""`diskchain open --policy`: QEMU follows some names by itself, so an image whose names the policy refuses is not given to it."""

from pathlib import Path

import pytest

from tests.cli.commands import diskchain
from tests.image.makers import vmdk
from tests.live.peers import requires
from tests.live.storage import QemuImg

pytestmark = [pytest.mark.qemu, requires("qemu-storage-daemon", "qemu-img")]


def document(path: Path, image: Path, format: str) -> Path:
    disk = (
        f"<disk type='file' device='disk'><driver name='qemu' type='{format}'/><source file='{image}'/><backingStore/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    path.write_text(f"<domain><name>vm</name><devices>{disk}</devices></domain>")
    return path


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside.raw"
    path.write_bytes(b"another guest's".ljust(1 << 20, b"\0"))
    (tmp_path / "inside").mkdir()
    return path


def refused(domain: Path) -> None:
    found = diskchain("open", "--policy", "strict", str(domain), "--", "true")
    assert found.code == 2
    assert "policy strict refuses" in found.err


def test_an_extent_outside_is_not_opened_by_qemu_either(outside: Path) -> None:
    image = outside.parent / "inside" / "disk.vmdk"
    image.write_bytes(vmdk.descriptor([f'RW 2048 FLAT "{outside}" 0'], create_type="monolithicFlat"))
    refused(document(outside.parent / "vm.xml", image, "vmdk"))


def test_nor_is_a_data_file(qemu_img: QemuImg, outside: Path) -> None:
    image = outside.parent / "inside" / "disk.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={outside},data_file_raw=on", image, "1M")
    refused(document(outside.parent / "vm.xml", image, "qcow2"))


def test_extents_beside_their_descriptor_are_opened(qemu_img: QemuImg, tmp_path: Path) -> None:
    image = tmp_path / "disk.vmdk"
    qemu_img("create", "-q", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", image, "3G")
    found = diskchain("open", "--policy", "strict", str(document(tmp_path / "vm.xml", image, "vmdk")), "--", "true")
    assert found.code == 0, found.err
