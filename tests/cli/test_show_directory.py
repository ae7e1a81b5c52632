"""``diskchain show DIR``: a forest."""

import json
from pathlib import Path

import pytest
from tests.cli.commands import diskchain
from tests.discover.written import write_qcow2

DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A base under three overlays, one of them two layers deep, in a subdirectory, and used by a domain."""
    write_qcow2(tmp_path / "base.qcow2")
    (tmp_path / "sub").mkdir()
    write_qcow2(tmp_path / "a.qcow2", "base.qcow2")
    write_qcow2(tmp_path / "b.qcow2", "base.qcow2")
    write_qcow2(tmp_path / "sub" / "c.qcow2", "../base.qcow2")
    write_qcow2(tmp_path / "sub" / "d.qcow2", "c.qcow2")
    (tmp_path / "vm.xml").write_text(DISK.format(tmp_path / "sub" / "d.qcow2"))
    return tmp_path


def tree(shown: str) -> list[str]:
    return [line.split("  qcow2")[0] for line in shown.splitlines()[1:]]


def test_a_shared_base_is_there_once_with_its_overlays_under_it(lab: Path) -> None:
    shown = diskchain("show", lab)
    assert shown.code == 0
    assert shown.out.splitlines()[0] == f"{lab}: 5 images, 1 document; clean, 5 notes (-v)"
    assert tree(shown.out) == ["base.qcow2", "├─ a.qcow2", "├─ b.qcow2", "└─ sub/c.qcow2", "   └─ sub/d.qcow2"]
    assert "used by vda of vm.xml" in shown.out


def test_the_directory_may_be_where_one_is(lab: Path) -> None:
    assert tree(diskchain("show", ".", directory=lab).out) == tree(diskchain("show", lab).out)


def test_a_missing_base_is_a_tree_with_its_overlays(tmp_path: Path) -> None:
    for name in ("a.qcow2", "b.qcow2"):
        write_qcow2(tmp_path / name, "gone.qcow2")
    shown = diskchain("show", tmp_path)
    assert shown.code == 1
    lines = shown.out.splitlines()[1:]
    assert lines[0].startswith("gone.qcow2  qcow2")
    assert shown.out.count("[missing]") == 2  # each names who names it
    assert [line[:3] for line in lines if ".qcow2  qcow2" in line] == ["gon", "├─ ", "└─ "]


def test_a_chain_as_deep_as_may_be_is_drawn(tmp_path: Path) -> None:
    write_qcow2(tmp_path / "0.qcow2")
    for number in range(1, 150):
        write_qcow2(tmp_path / f"{number}.qcow2", f"{number - 1}.qcow2")
    shown = diskchain("show", tmp_path)
    assert sum("└─ " in line and ".qcow2  qcow2" in line for line in shown.out.splitlines()) == 149


def test_json_has_each_image_once_and_says_what_stands_on_what(lab: Path) -> None:
    shown = json.loads(diskchain("show", "--json", lab).out)
    images = {Path(image["filename"]).name: image for image in shown["images"]}
    assert (shown["schema"], len(images), len(shown["images"])) == ("diskchain/forest/1", 5, 5)
    base = images["base.qcow2"]
    assert sorted(shown["images"][number]["filename"].rpartition("/")[2] for number in base["overlays"]) == [
        "a.qcow2",
        "b.qcow2",
        "c.qcow2",
    ]
    assert shown["images"][images["d.qcow2"]["backing"]] == images["c.qcow2"]
    assert images["d.qcow2"]["users"] == [{"document": f"{lab}/vm.xml", "disk": "vda"}]
    assert all(image["found"] for image in shown["images"])


@pytest.mark.parametrize("option", [("-d", "vda"), ("-f", "qcow2")])
def test_what_is_said_of_one_target_does_not_go_with_a_directory(lab: Path, option: tuple[str, str]) -> None:
    assert diskchain("show", lab, *option).code == 2
