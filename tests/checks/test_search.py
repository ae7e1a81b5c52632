"""A missing layer is looked for by name, by what its overlay knows of it, and by the id its overlay remembers."""

from pathlib import Path
from uuid import UUID

import pytest
from tests.cli.commands import diskchain
from tests.discover.chains import discover, overlay
from tests.image.makers import vdi, vhd, vhdx
from tests.live.storage import QemuImg

from diskchain.checks.search import Candidate, FileIndex
from diskchain.checks.wanted import Wanted, wanted_files
from diskchain.discover import BackingChain, Discoverer
from diskchain.storage.location import FileLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format


def wanted_of(chain: BackingChain) -> Wanted:
    (wanted,) = wanted_files(chain)
    return wanted


def candidates(wanted: Wanted, *directories: Path) -> list[Candidate]:
    return FileIndex(map(str, directories)).candidates(wanted)


def test_a_moved_base_is_found_by_name_first(qemu_img: QemuImg, tmp_path: Path) -> None:
    for name in ("attic", "other"):
        (tmp_path / name).mkdir()
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "attic" / "base.qcow2", "1M")
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "other" / "same-size.qcow2", "1M")
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "other" / "larger.qcow2", "2M")
    wanted = wanted_of(discover(overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2")))
    assert wanted.capacity == 1 << 20
    found = candidates(wanted, tmp_path / "attic", tmp_path / "other")
    assert [Path(candidate.path).name for candidate in found] == ["base.qcow2", "same-size.qcow2"]
    assert found[0].reasons == ("has the same name", "is qcow2", "has the capacity of its overlay")


def test_directories_that_cannot_be_searched_are_passed_over(qemu_img: QemuImg, tmp_path: Path) -> None:
    wanted = wanted_of(discover(overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2")))
    assert candidates(wanted, tmp_path / "gone") == []


def test_one_file_under_several_names_is_one_candidate(qemu_img: QemuImg, tmp_path: Path) -> None:
    wanted = wanted_of(discover(overlay(qemu_img, tmp_path / "top.qcow2", "/gone/images/base.qcow2")))
    (tmp_path / "images").mkdir()
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "images" / "base.qcow2", "1M")
    (tmp_path / "images" / "hard").hardlink_to(tmp_path / "images" / "base.qcow2")
    (tmp_path / "base.qcow2").symlink_to("images/base.qcow2")
    (candidate,) = candidates(wanted, tmp_path)
    assert candidate.path == f"{tmp_path}/images/base.qcow2"


@pytest.mark.parametrize(
    "copy", ["base (1).qcow2", "base(12).qcow2", "Base.QCOW2", "base - Copy.qcow2", "base copy.qcow2"]
)
def test_what_a_copy_makes_of_a_name_is_nearly_the_same(qemu_img: QemuImg, tmp_path: Path, copy: str) -> None:
    wanted = wanted_of(discover(overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2")))
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / copy, "1M")
    (candidate,) = candidates(wanted, tmp_path)
    assert candidate.reasons[0] == "has nearly the same name"


def test_nothing_is_wanted_of_a_complete_chain(qemu_img: QemuImg, tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "top.qcow2", "1M")
    assert list(wanted_files(discover(tmp_path / "top.qcow2"))) == []


@pytest.mark.parametrize("linkage", ["parent_linkage", "parent_linkage2"])
def test_a_vhdx_parent_is_found_by_either_linkage(tmp_path: Path, linkage: str) -> None:
    guid = UUID(int=0xABC)
    linkages = {"parent_linkage": f"{{{UUID(int=1)}}}"} | {linkage: f"{{{guid}}}"}
    top = tmp_path / "top.vhdx"
    top.write_bytes(vhdx.make(vhdx.Vhdx(locator=linkages)))
    (tmp_path / "attic").mkdir()
    (tmp_path / "attic" / "moved").write_bytes(vhdx.make(vhdx.Vhdx(data_write=guid, capacity=8 << 20)))
    base = Source(FileLocation(f"{tmp_path}/base.vhdx"), Format.VHDX)
    chain = Discoverer().discover(Source(FileLocation(str(top)), Format.VHDX, base))
    (found,) = candidates(wanted_of(chain), tmp_path / "attic")
    assert found.reasons == ("has the id its overlay remembers", "is vhdx")


def test_no_layer_above_is_a_candidate_and_a_weak_one_is_not_likely(qemu_img: QemuImg, tmp_path: Path) -> None:
    wanted = wanted_of(discover(overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2")))
    assert candidates(wanted, tmp_path) == []
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "other.qcow2", "1M")
    (tmp_path / "sub").mkdir()
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "sub" / "base.qcow2", "1M")
    named, other = candidates(wanted, tmp_path)
    assert (named.likely, other.likely) == (True, False)


MINE, PARENT = UUID(int=0xA), UUID(int=0xB)


def child_of_parent(format: Format) -> tuple[bytes, bytes]:
    """A differencing image and its parent, in a format QEMU reads no parents in."""
    if format is Format.VPC:
        names = {"W2ru": vhd.windows_path(r"..\Bases\base.vhd")}
        child = vhd.differencing(8 << 20, MINE, vhd.Parent(PARENT, vhd.EPOCH, "base.vhd", names))
        return child, vhd.dynamic(8 << 20, PARENT)
    if format is Format.VDI:
        child = vdi.make(vdi.Vdi(uuid=MINE, link=PARENT, kind=vdi.DIFFERENCING))
        return child, vdi.make(vdi.Vdi(uuid=PARENT))
    child = vhdx.make(vhdx.Vhdx(locator={"parent_linkage": f"{{{PARENT}}}", "relative_path": r".\base.vhdx"}))
    return child, vhdx.make(vhdx.Vhdx(data_write=PARENT))


@pytest.mark.parametrize("format", [Format.VPC, Format.VHDX, Format.VDI])
def test_a_parent_that_qemu_does_not_read_is_found_by_its_id(tmp_path: Path, format: Format) -> None:
    child, parent = child_of_parent(format)
    (tmp_path / "top").write_bytes(child)
    (tmp_path / "attic").mkdir()
    (tmp_path / "attic" / "moved").write_bytes(parent)
    shown = diskchain("check", "-f", format, tmp_path / "top", "--search", tmp_path).out
    assert "no part of this chain" in shown
    assert str(PARENT) in shown.lower()
    assert f"{tmp_path}/attic/moved could be the missing " in shown
    assert "it has the id its overlay remembers" in shown
    assert "fix:" not in shown


def test_a_parent_is_found_by_the_name_it_has_on_windows(tmp_path: Path) -> None:
    child, _ = child_of_parent(Format.VPC)
    (tmp_path / "top").write_bytes(child)
    (tmp_path / "base.vhd").write_bytes(vhd.dynamic(16 << 20, UUID(int=0xC)))
    (candidate,) = candidates(wanted_of(discover(tmp_path / "top", Format.VPC)), tmp_path)
    assert candidate.reasons == ("has the same name", "is vpc")
