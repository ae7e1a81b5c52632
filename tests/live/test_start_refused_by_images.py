"""Images that a domain does not start with, by their own bytes: where ``check`` says that something stops the start, libvirt and QEMU do."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import libvirt
import pytest

from diskchain.versions import Versions
from tests.cli.commands import diskchain
from tests.image.makers import relics, vhd, vhdx, vmdk
from tests.live.daemons import Libvirtd
from tests.live.domains import PausedDomain
from tests.live.storage import QemuImg, run

MiB = 1 << 20
Start = Callable[..., PausedDomain]


def _sparse_raw(size: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(size)

    return make


def _bytes(image: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(image)

    return make


def _cut(qemu_img: QemuImg, format: str, less: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        qemu_img("create", "-q", "-f", format, path, "8M")
        path.write_bytes(path.read_bytes()[:-less])

    return make


def _not_closed(path: Path) -> None:
    run("qemu-img", "create", "-q", "-f", "parallels", path, "8M")
    image = bytearray(path.read_bytes())
    image[44:48] = b"Ynot"  # in_use
    path.write_bytes(image)


#: libvirt's format, the driver's attributes, elements of the disk, the image; none is made by qemu-img.
IMAGES: dict[str, tuple[str, str, str, Callable[[Path], None]]] = {
    "raw, whole": ("raw", "cache='none'", "", _sparse_raw(MiB)),
    "raw, odd length": ("raw", "cache='none'", "", _sparse_raw(MiB + 512)),
    "raw, odd length, page cache": ("raw", "", "", _sparse_raw(MiB + 512)),
    "raw, odd length, read-only": ("raw", "cache='none'", "<readonly/>", _sparse_raw(MiB + 512)),
    "cloop": ("cloop", "", "", _bytes(relics.cloop(bytes(MiB)))),
    "cloop, read-only": ("cloop", "", "<readonly/>", _bytes(relics.cloop(bytes(MiB)))),
    "bochs": ("bochs", "", "", _bytes(relics.bochs(MiB))),
    "dmg": ("dmg", "", "", _bytes(relics.dmg(bytes(64 << 10), UUID(int=1)))),
    "vmdk, raw device": ("vmdk", "", "", _bytes(vmdk.descriptor(['RW 8 FLAT "x" 0'], create_type="fullDevice"))),
    "vhdx, dirty": ("vhd", "", "<readonly/>", _bytes(vhdx.make(vhdx.Vhdx(log=UUID(int=9))))),
    "vhdx, empty log": ("vhd", "", "<readonly/>", _bytes(vhdx.make(vhdx.Vhdx(log=UUID(int=9), entry=False)))),
    "vhd, wrong checksum": ("vpc", "", "", _bytes(vhd.dynamic(4 * MiB)[:72] + b"\1" + vhd.dynamic(4 * MiB)[73:])),
    "parallels, not closed": ("ploop", "", "", _not_closed),
    "parallels, not closed, read-only": ("ploop", "", "<readonly/>", _not_closed),
    "vhd": ("vpc", "", "", _bytes(vhd.dynamic(4 * MiB))),
}


def _is_refused(start: Start, disk: str) -> bool:
    try:
        start(disk)
    except libvirt.libvirtError:
        return True
    return False


def _check(document: Path, versions: Versions) -> list[str]:
    """The findings that stop the start with these peers."""
    assert versions.libvirt is not None
    assert versions.qemu is not None
    profile = "libvirt-{}.{}-qemu-{}.{}".format(*versions.libvirt, *versions.qemu)
    (target,) = json.loads(diskchain("check", "--json", "--profile", profile, document).out)["targets"]
    return [each["id"] for each in target["findings"] if each.get("stops") == "start"]


@pytest.mark.parametrize("name", IMAGES)
def test_check_says_what_stops_the_start(paused_domain: Start, image_dir: Path, libvirtd: Libvirtd, name: str) -> None:
    format, attributes, elements, make = IMAGES[name]
    image, document = image_dir / "disk.img", image_dir / "disk.xml"
    make(image)
    disk = (
        f"<disk type='file' device='disk'><driver name='qemu' type='{format}' {attributes}/><source file='{image}'/>"
        f"<target dev='vda' bus='virtio'/>{elements}</disk>"
    )
    document.write_text(disk)
    assert bool(_check(document, libvirtd.versions)) is _is_refused(paused_domain, disk)


@pytest.mark.parametrize("format", ["vhdx", "vpc"])
def test_an_image_without_its_tables_does_not_start(
    qemu_img: QemuImg, paused_domain: Start, image_dir: Path, libvirtd: Libvirtd, format: str
) -> None:
    image, document = image_dir / "disk.img", image_dir / "disk.xml"
    _cut(qemu_img, format, 6 * MiB if format == "vhdx" else 1024)(image)
    disk = (
        f"<disk type='file' device='disk'><driver name='qemu' type='{'vhd' if format == 'vhdx' else format}'/>"
        f"<source file='{image}'/><target dev='vda' bus='virtio'/></disk>"
    )
    document.write_text(disk)
    assert _check(document, libvirtd.versions)
    assert _is_refused(paused_domain, disk)
