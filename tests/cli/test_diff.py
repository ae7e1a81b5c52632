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


def test_what_is_wrong_with_the_headers_is_told(qemu_img: QemuImg, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", "gone.raw", "raw")
    (tmp_path / "disk.xml").write_text(disk(top))
    shown = diskchain("diff", tmp_path / "disk.xml")
    assert shown.code == 1
    assert f"no such file: {tmp_path}/gone.raw" in shown.out
    (found,) = json.loads(diskchain("diff", "--json", tmp_path / "disk.xml").out)["findings"]["vda"]
    assert found["id"] == "missing"


def test_a_raw_file_declared_qcow2_differs_from_its_header(tmp_path: Path) -> None:
    (tmp_path / "disk.raw").write_bytes(bytes(1 << 20))
    (tmp_path / "disk.xml").write_text(disk(tmp_path / "disk.raw"))
    shown = diskchain("diff", tmp_path / "disk.xml")
    assert shown.code == 1
    assert "[format-mismatch]" in shown.out


def test_a_symlink_and_the_file_it_leads_to_agree(qemu_img: QemuImg, tmp_path: Path) -> None:
    (tmp_path / "base.raw").write_bytes(bytes(512))
    (tmp_path / "link.raw").symlink_to("base.raw")
    top = overlay(qemu_img, tmp_path / "top.qcow2", "link.raw", "raw")
    below = f"<backingStore type='file'><format type='raw'/><source file='{tmp_path}/base.raw'/><backingStore/></backingStore>"
    (tmp_path / "disk.xml").write_text(disk(top, below))
    assert diskchain("diff", tmp_path / "disk.xml").code == 0


def test_a_data_file_that_the_header_does_not_name_differs(qemu_img: QemuImg, tmp_path: Path) -> None:
    top, other = tmp_path / "top.qcow2", tmp_path / "other.raw"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/data.raw", top, "1M")
    other.write_bytes(bytes(1 << 20))
    store = f"<dataStore type='file'><format type='raw'/><source file='{other}'/></dataStore>"
    (tmp_path / "disk.xml").write_text(disk(top).replace("'/>\n<target", f"'>{store}</source>\n<target"))
    shown = diskchain("diff", tmp_path / "disk.xml")
    assert shown.code == 1
    assert f"document: {top}  qcow2, data in {other}" in shown.out
    assert f"headers:  {top}  qcow2, data in {tmp_path}/data.raw" in shown.out


def test_a_disk_plugged_into_the_running_domain_alone_is_shown(
    libvirtd: Libvirtd, paused_domain: Callable[..., PausedDomain], image_dir: Path
) -> None:
    for name in ("one.raw", "two.raw"):
        (image_dir / name).write_bytes(bytes(1 << 20))
    two = disk(image_dir / "two.raw", format="raw").replace("'vda'", "'vdb'")
    running = paused_domain(disk(image_dir / "one.raw", format="raw") + two, persistent=True)
    libvirtd.connection.defineXML(running.inactive_xml().replace("two.raw", "one.raw").replace("'vdb'", "'vdc'"))
    shown = diskchain("diff", "-c", libvirtd.uri, running.name)
    assert shown.code == 1
    rows = json.loads(diskchain("diff", "--json", "-c", libvirtd.uri, running.name).out)["disks"]
    assert rows["vda"][0]["agree"]
    assert rows["vdb"][0]["document"] == "absent"
    assert rows["vdc"][0]["running"] == "absent"
