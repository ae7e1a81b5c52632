"""Many targets and directories of them: what counts, in which order, and what one does to another."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.discover.written import write_qcow2

from diskchain.actions import together
from diskchain.actions.check import TargetReport, check
from diskchain.actions.target import TargetName
from diskchain.actions.walked import Walked
from diskchain.errors import IsDirectory, LayerNotFound

DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)


def checked(*names: Path, wanted: tuple[str, ...] = ()) -> dict[str, TargetReport]:
    return {report.name: report for report in check([TargetName(str(name)) for name in names], wanted)}


def ids(report: TargetReport) -> list[str]:
    return [found.id for found in report.findings if found.severity != "info"]


def document(path: Path, image: Path) -> Path:
    path.write_text(DISK.format(image))
    return path


def test_images_are_known_by_name_or_content_and_all_else_is_counted(tmp_path: Path) -> None:
    write_qcow2(tmp_path / "vm.snap1")  # as libvirt calls overlays
    (tmp_path / "data.RAW").write_bytes(bytes(4096))
    document(tmp_path / "vm.dump", tmp_path / "vm.snap1")
    (tmp_path / "log").write_text("qemu-system-x86_64: terminating\n")
    (tmp_path / "network.xml").write_text("<network/>")
    (tmp_path / "link.qcow2").symlink_to("vm.snap1")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "monitor.sock"))
    found = checked(tmp_path)
    assert [Path(name).name for name in found] == [tmp_path.name, "data.RAW", "vm.dump", "vm.snap1"]
    assert found[str(tmp_path)].walked == Walked(2, 1, 0, {"symlinks": 1, "other files": 2, "special files": 1})


def test_what_is_called_an_image_and_is_none_is_a_finding_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.qcow2")
    (tmp_path / "b.qcow2").write_bytes(b"\x1f\x8b" + bytes(600))
    (tmp_path / "c.xml").touch()
    (tmp_path / "d.xml").write_text("<domain><devices>")
    write_qcow2(tmp_path / "e.qcow2", "gone")
    found = {Path(name).name: ids(report) for name, report in checked(tmp_path).items()}
    assert found == {
        tmp_path.name: [],
        "a.qcow2": ["not-storage"],
        "b.qcow2": ["not-a-disk"],
        "c.xml": ["document"],
        "d.xml": ["document"],
        "e.qcow2": ["missing"],
    }
    assert all(report.error is None for report in checked(tmp_path).values())


def test_a_directory_without_an_image_is_not_called_clean(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("no disk\n")
    with pytest.raises(IsDirectory):
        checked(tmp_path)
    other = write_qcow2(tmp_path.parent / "other.qcow2")
    assert ids(checked(tmp_path, other)[str(tmp_path)]) == ["not-storage"]


def test_a_directory_that_is_called_an_image_is_one_all_the_same(tmp_path: Path) -> None:
    bundle = tmp_path / "disk.hdd"
    bundle.mkdir()
    write_qcow2(bundle / "inside.qcow2")
    assert [*checked(bundle)] == [str(bundle), str(bundle / "inside.qcow2")]


def test_a_disk_is_wanted_of_the_documents_that_have_it(tmp_path: Path) -> None:
    image = write_qcow2(tmp_path / "image.qcow2", "gone")
    document(tmp_path / "vm.xml", image)
    found = checked(tmp_path, wanted=("vda",))
    assert ids(found[str(tmp_path / "vm.xml")]) == ["missing"]
    assert ids(found[str(image)]) == []
    (tmp_path / "empty.xml").touch()
    assert ids(checked(tmp_path, wanted=("vda",))[str(tmp_path / "empty.xml")]) == ["document"]
    with pytest.raises(LayerNotFound):
        checked(tmp_path, wanted=("vdz",))


@pytest.fixture
def few_at_a_time() -> Iterator[None]:
    """As with many thousands of targets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(together, "_AHEAD", 2)
        patch.setattr(together, "_KEPT", 1)
        yield


@pytest.mark.usefixtures("few_at_a_time")
def test_a_writer_is_known_however_many_targets_lie_between(tmp_path: Path) -> None:
    base = write_qcow2(tmp_path / "base.qcow2")
    top = write_qcow2(tmp_path / "top.qcow2", "base.qcow2")
    reader, writer = document(tmp_path / "reader.xml", top), document(tmp_path / "writer.xml", base)
    between = [write_qcow2(tmp_path / f"{number}.qcow2") for number in range(7)]
    for order in ([reader, *between, writer], [writer, *between, reader], [*between, reader, writer]):
        found = checked(*order)
        assert list(found) == [str(each) for each in order]
        (said,) = [each for each in found[str(reader)].findings if each.severity != "info"]
        assert f"vda of {writer} writes to it" in said.message
    assert [name for name, report in checked(tmp_path).items() if ids(report)] == [str(reader), str(top)]


@pytest.mark.usefixtures("few_at_a_time")
def test_two_writers_are_known_of_however_many_targets_lie_between(tmp_path: Path) -> None:
    image = write_qcow2(tmp_path / "image.qcow2")
    documents = [document(tmp_path / f"{number}.xml", image) for number in range(2)]
    documents[1:1] = [document(tmp_path / f"x{n}.xml", write_qcow2(tmp_path / f"{n}.qcow2")) for n in range(9)]
    found = checked(*documents)
    assert [Path(name).name for name, report in found.items() if "image-used-twice" in ids(report)] == [
        "0.xml",
        "1.xml",
    ]
