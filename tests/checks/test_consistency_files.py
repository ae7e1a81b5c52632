"""What a whole chain says of the files in it: whose parent is whose, how they are named, and who may write to them."""

import os
from pathlib import Path
from uuid import UUID

import pytest
from tests.checks.examining import MakeImage, declared, image, only, refused, told
from tests.discover.chains import discover, overlay
from tests.image.makers import vdi, vhd, vhdx, vmdk
from tests.live.storage import QemuImg, run

from diskchain.checks.consistency import examine
from diskchain.checks.relations import uses
from diskchain.discover import Discoverer
from diskchain.findings import Severity
from diskchain.readers.policy import UPLOAD
from diskchain.storage.location import FileLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format

__all__ = ["image"]

MiB = 1 << 20


def test_a_vmdk_written_to_under_its_overlay_is_found_by_its_content_id(qemu_img: QemuImg, tmp_path: Path) -> None:
    base, top = tmp_path / "base.vmdk", tmp_path / "top.vmdk"
    qemu_img("create", "-q", "-f", "vmdk", base, "16M")
    qemu_img("create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk", top)
    assert told(discover(top, Format.VMDK)) == [(0, "absolute-reference", Severity.INFO)]
    run("qemu-io", "-f", "vmdk", "-c", "write 0 512", base)
    assert (0, "base-changed", Severity.ERROR) in told(discover(top, Format.VMDK))
    assert refused("qemu-io", "-f", "vmdk", "-c", "read 0 512", str(top))


def parent_of(path: Path, unique: UUID, time: int) -> vhd.Parent:
    return vhd.Parent(unique, time, path.name, {"W2ru": vhd.windows_path(f".\\{path.name}")})


@pytest.mark.parametrize(
    ("remembered", "later", "expected"),
    [
        (UUID(int=1), 0, []),
        (UUID(int=1), 60, [("base-changed", Severity.WARNING)]),
        (UUID(int=9), 0, [("base-changed", Severity.ERROR)]),
    ],
)
def test_a_vhd_knows_its_parent_by_id_and_by_time(
    tmp_path: Path, remembered: UUID, later: int, expected: list[tuple[str, Severity]]
) -> None:
    base, top = tmp_path / "base.vhd", tmp_path / "top.vhd"
    base.write_bytes(vhd.dynamic(4 * MiB, UUID(int=1)))
    os.utime(base, (1_700_000_000 + later,) * 2)
    top.write_bytes(vhd.differencing(4 * MiB, UUID(int=2), parent_of(base, remembered, 1_700_000_000)))
    found = told(declared((top, Format.VPC), (base, Format.VPC)))
    assert [each[1:] for each in found if each[1] == "base-changed"] == expected


@pytest.mark.parametrize(("linkage", "changed"), [(UUID(int=7), False), (UUID(int=6), True)])
def test_a_vhdx_knows_its_parent_by_the_guid_of_its_data(tmp_path: Path, linkage: UUID, *, changed: bool) -> None:
    base, top = tmp_path / "base.vhdx", tmp_path / "top.vhdx"
    base.write_bytes(vhdx.make(vhdx.Vhdx(data_write=UUID(int=7))))
    locator = {"parent_linkage": f"{{{linkage}}}".upper(), "relative_path": ".\\base.vhdx"}
    top.write_bytes(vhdx.make(vhdx.Vhdx(data_write=UUID(int=3), locator=locator)))
    found = told(declared((top, Format.VHDX), (base, Format.VHDX)))
    assert ((0, "base-changed", Severity.ERROR) in found) is changed


@pytest.mark.parametrize(("second", "changed"), [(7, False), (6, True), (0, True)], ids=["parent", "other", "none"])
def test_after_a_merge_a_vhdx_knows_its_new_parent_by_the_second_linkage(
    tmp_path: Path, second: int, *, changed: bool
) -> None:
    base, top = tmp_path / "base.vhdx", tmp_path / "top.vhdx"
    base.write_bytes(vhdx.make(vhdx.Vhdx(data_write=UUID(int=7))))
    linkages = {"parent_linkage": f"{{{UUID(int=5)}}}", "parent_linkage2": f"{{{UUID(int=second)}}}"}
    top.write_bytes(vhdx.make(vhdx.Vhdx(locator=linkages | {"relative_path": ".\\base.vhdx"})))
    found = told(declared((top, Format.VHDX), (base, Format.VHDX)))
    assert ((0, "base-changed", Severity.ERROR) in found) is changed


@pytest.mark.parametrize(
    ("link", "modification", "changed"), [(1, 2, False), (9, 2, True), (1, 9, True)], ids=["same", "other", "written"]
)
def test_a_vdi_knows_its_parent_and_the_parents_state(
    tmp_path: Path, link: int, modification: int, *, changed: bool
) -> None:
    base, top = tmp_path / "base.vdi", tmp_path / "top.vdi"
    base.write_bytes(vdi.make(vdi.Vdi(uuid=UUID(int=1), modification=UUID(int=2))))
    child = vdi.Vdi(uuid=UUID(int=3), link=UUID(int=link), parent_modification=UUID(int=modification), kind=4)
    top.write_bytes(vdi.make(child))
    found = told(declared((top, Format.VDI), (base, Format.VDI)))
    assert ((0, "base-changed", Severity.ERROR) in found) is changed


def test_a_vmdk_over_an_image_without_an_id_cannot_be_its_own(tmp_path: Path) -> None:
    (tmp_path / "base.vmdk").write_bytes(vmdk.cowd(16 * MiB))
    text = vmdk.descriptor(['RW 32768 SPARSE "top.vmdk"'], parent="base.vmdk", parent_cid="12345678")
    (tmp_path / "top.vmdk").write_bytes(vmdk.sparse(16 * MiB, text))
    below = Source(FileLocation(f"{tmp_path}/base.vmdk"), Format.VMDK)  # declared: libvirt's probing does not know COWD
    top = Source(FileLocation(f"{tmp_path}/top.vmdk"), Format.VMDK, below)
    assert told(Discoverer().discover(top)) == [(0, "base-changed", Severity.ERROR)]


def differencing_images() -> list[tuple[bytes, Format, str]]:
    vhd_parent = vhd.Parent(UUID(int=1), 1_700_000_000, "base.vhd", {})
    locator = {"parent_linkage": f"{{{UUID(int=7)}}}", "relative_path": ".\\base.vhdx"}
    return [
        (vhd.differencing(4 * MiB, UUID(int=2), vhd_parent), Format.VPC, "reads zeros"),
        (vhdx.make(vhdx.Vhdx(locator=locator)), Format.VHDX, "refuses to open it"),
        (vmdk.cowd(4 * MiB, parent=b"base.vmdk"), Format.VMDK, "refuses to open it"),
        (vdi.make(vdi.Vdi(uuid=UUID(int=3), link=UUID(int=1), kind=4)), Format.VDI, "refuses to open it"),
    ]


@pytest.mark.parametrize(("data", "format", "what"), differencing_images(), ids=["vhd", "vhdx", "cowd", "vdi"])
def test_a_difference_to_a_parent_that_qemu_does_not_read_is_an_error(
    qemu_img: QemuImg, tmp_path: Path, data: bytes, format: Format, what: str
) -> None:
    path = tmp_path / "top"
    path.write_bytes(data)
    found = only(discover(path, format))
    assert (found.id, found.severity) == ("parent-unsupported", Severity.ERROR)
    assert what in found.message
    if format is Format.VPC:
        assert "backing" not in qemu_img("info", "-f", format, path)
    else:
        assert refused("qemu-img", "info", "-f", format, str(path))


def test_an_absolute_name_of_a_neighbour_is_a_note_without_a_command(
    qemu_img: QemuImg, image: MakeImage, tmp_path: Path
) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(image("base.qcow2")))
    found = only(discover(top))
    assert (found.id, found.severity) == ("absolute-reference", Severity.INFO)
    assert found.fix is None


def test_an_absolute_name_of_a_file_elsewhere_is_as_it_should_be(
    qemu_img: QemuImg, image: MakeImage, tmp_path: Path
) -> None:
    (tmp_path / "vms").mkdir()
    top = overlay(qemu_img, tmp_path / "vms" / "top.qcow2", str(image("base.qcow2")))
    assert not examine(discover(top))


def test_a_json_reference_is_a_note_that_does_not_quote_it(qemu_img: QemuImg, image: MakeImage, tmp_path: Path) -> None:
    text = f'json:{{"driver":"file","filename":"{image("base.raw", "1M", "raw")}"}}'
    chain = discover(overlay(qemu_img, tmp_path / "top.qcow2", text, "raw"))
    assert told(chain) == [(0, "json-reference", Severity.INFO)]
    assert "filename" not in only(chain).message


def test_a_relative_name_in_a_json_reference_is_relative_to_nothing(
    qemu_img: QemuImg, image: MakeImage, tmp_path: Path
) -> None:
    image("base.raw", "1M", "raw")
    chain = discover(overlay(qemu_img, tmp_path / "top.qcow2", 'json:{"driver":"file","filename":"base.raw"}', "raw"))
    assert (1, "relative-unresolvable", Severity.WARNING) in told(chain)
    assert [layer.findings[0].id for layer in chain.layers if layer.findings] == ["missing"]
    assert refused("qemu-io", "-c", "read 0 512", str(tmp_path / "top.qcow2"))


def test_a_document_with_a_relative_path_means_another_file_to_each_program() -> None:
    chain = Discoverer().discover(Source(FileLocation("disk.qcow2"), Format.QCOW2))
    assert told(chain) == [(0, "relative-unresolvable", Severity.WARNING)]
    given = Source(FileLocation("disk.qcow2", fdgroup="handed-over"), Format.QCOW2)
    assert not examine(Discoverer().discover(given))


def test_a_data_file_belongs_to_its_image_even_when_it_may_not_be_opened(image: MakeImage, tmp_path: Path) -> None:
    path = image("disk.qcow2", "1M", "qcow2", f"data_file={tmp_path / 'disk.raw'}")
    for chain in (discover(path), Discoverer(UPLOAD).discover(Source(FileLocation(str(path)), Format.QCOW2))):
        assert told(chain) == [(0, "data-file-reference", Severity.INFO)]
        assert only(chain).referrer == str(tmp_path / "disk.raw")


def test_a_layer_outside_the_directories_it_should_be_in_is_named(
    qemu_img: QemuImg, image: MakeImage, tmp_path: Path
) -> None:
    base, vms = image("base.qcow2"), tmp_path / "vms"
    vms.mkdir()
    chain = discover(overlay(qemu_img, vms / "top.qcow2", "../base.qcow2"))
    assert not examine(chain, allowed=(str(tmp_path),))
    ((position, found),) = examine(chain, allowed=(str(vms),))
    assert (position, found.id) == (1, "reference-outside-allowed")
    (vms / "link.qcow2").symlink_to(base)
    assert examine(discover(overlay(qemu_img, vms / "top.qcow2", "link.qcow2")), allowed=(str(vms),))


def test_a_base_everybody_may_write_to_is_a_warning_and_a_top_is_not(
    qemu_img: QemuImg, image: MakeImage, tmp_path: Path
) -> None:
    base = image("base.qcow2")
    base.chmod(0o666)
    assert not examine(discover(base))
    top = overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2")
    assert told(discover(top)) == [(1, "world-writable-base", Severity.WARNING)]
    assert only(discover(top)).fix == f"chmod o-w {base}"


def test_a_base_its_group_may_write_to_is_a_note_where_overlays_share_it(
    qemu_img: QemuImg, image: MakeImage, tmp_path: Path
) -> None:
    image("base.qcow2").chmod(0o660)
    chains = [(name, discover(overlay(qemu_img, tmp_path / name, "base.qcow2"))) for name in ("a.qcow2", "b.qcow2")]
    assert not examine(chains[0][1])
    assert not examine(chains[0][1], used=uses(chains[:1]))
    ((position, found),) = examine(chains[0][1], used=uses(chains))
    assert (position, found.id, found.severity) == (1, "base-writable-while-shared", Severity.INFO)


def test_a_base_that_another_disk_writes_to_is_an_error(qemu_img: QemuImg, image: MakeImage, tmp_path: Path) -> None:
    base = image("base.qcow2")
    top = discover(overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2"))
    attached = [("web:vda", top), ("db:vdb", discover(base))]
    ((position, found),) = examine(top, used=uses(attached))
    assert (position, found.id, found.severity) == (1, "base-writable-while-shared", Severity.ERROR)
    assert "db:vdb" in found.message
    assert not examine(attached[1][1], used=uses(attached))


def test_a_base_attached_read_only_is_nobodys_business(qemu_img: QemuImg, image: MakeImage, tmp_path: Path) -> None:
    base = image("base.qcow2")
    top = discover(overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2"))
    cdrom = Discoverer().discover(Source(FileLocation(str(base)), Format.QCOW2, readonly=True))
    assert not examine(top, used=uses([("vda", top), ("sda", cdrom)]))
