"""``diskchain diff`` sets documents, headers and running domains side by side."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.commands import diskchain
from tests.discover.chains import overlay
from tests.live.daemons import Libvirtd
from tests.live.domains import PausedDomain
from tests.live.storage import QemuImg

DISK = """<disk type='file' device='disk'><driver name='qemu' type='{format}'/><source file='{path}'/>{below}
<target dev='vda' bus='virtio'/></disk>"""


def disk(path: Path, below: str = "", format: str = "qcow2") -> str:
    return DISK.format(path=path, below=below, format=format)


def test_a_document_without_layers_agrees_with_its_headers(qemu_img: QemuImg, tmp_path: Path) -> None:
    (tmp_path / "base.raw").write_bytes(bytes(512))
    top = overlay(qemu_img, tmp_path / "top.qcow2", "base.raw", "raw")
    (tmp_path / "disk.xml").write_text(disk(top))
    shown = diskchain("diff", tmp_path / "disk.xml")
    assert shown.code == 0
    assert "every view agrees" in shown.out


def test_a_layer_the_headers_do_not_know_differs(qemu_img: QemuImg, tmp_path: Path) -> None:
    for name in ("base.raw", "other.raw"):
        (tmp_path / name).write_bytes(bytes(512))
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(tmp_path / "base.raw"), "raw")
    below = f"<backingStore type='file'><format type='raw'/><source file='{tmp_path}/other.raw'/><backingStore/></backingStore>"
    (tmp_path / "disk.xml").write_text(disk(top, below))
    shown = diskchain("diff", tmp_path / "disk.xml")
    assert shown.code == 1
    assert f"document: {tmp_path}/other.raw  raw" in shown.out
    assert f"headers:  {tmp_path}/base.raw  raw" in shown.out
    assert "at the next start libvirt believes the document" in shown.out
    rows = json.loads(diskchain("diff", "--json", tmp_path / "disk.xml").out)["disks"]["vda"]
    assert [row["agree"] for row in rows] == [True, False, True]


def test_an_image_alone_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(bytes(512))
    assert diskchain("diff", tmp_path / "image").code == 2


def test_a_running_domain_is_a_view(
    libvirtd: Libvirtd, paused_domain: Callable[..., PausedDomain], qemu_img: QemuImg, image_dir: Path
) -> None:
    base = image_dir / "base.raw"
    base.write_bytes(bytes(1 << 20))
    top = overlay(qemu_img, image_dir / "top.qcow2", "base.raw", "raw")
    top.chmod(0o666)
    running = paused_domain(disk(top), persistent=True)
    agreeing = diskchain("diff", "-c", libvirtd.uri, running.name)
    assert agreeing.code == 0, agreeing.out
    # The definition for the next start is changed behind the running domain's back.
    other = running.inactive_xml().replace("top.qcow2", "base.raw").replace("type='qcow2'", "type='raw'")
    libvirtd.connection.defineXML(other)
    differing = diskchain("diff", "-c", libvirtd.uri, running.name)
    assert differing.code == 1
    assert f"running:  {top}  qcow2" in differing.out
    assert f"document: {base}  raw" in differing.out
