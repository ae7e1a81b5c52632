"""A missing layer is looked for by name, by what its overlay knows of it, and by the id its overlay remembers."""

from pathlib import Path

from tests.discover.chains import discover, overlay
from tests.live.storage import QemuImg

from diskchain.discover.candidates import candidates, wanted_layers


def test_a_moved_base_is_found_by_name_first(qemu_img: QemuImg, tmp_path: Path) -> None:
    for name in ("attic", "other"):
        (tmp_path / name).mkdir()
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "attic" / "base.qcow2", "1M")
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "other" / "same-size.qcow2", "1M")
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "other" / "larger.qcow2", "2M")
    chain = discover(overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2"))
    (wanted,) = wanted_layers(chain)
    assert wanted.capacity == 1 << 20
    found = candidates(wanted, [str(tmp_path / "attic"), str(tmp_path / "other")])
    assert [Path(candidate.path).name for candidate in found] == ["base.qcow2", "same-size.qcow2"]
    assert found[0].reasons == ("has the same name", "is qcow2", "has the capacity of its overlay")


def test_directories_that_cannot_be_searched_are_passed_over(qemu_img: QemuImg, tmp_path: Path) -> None:
    chain = discover(overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2"))
    (wanted,) = wanted_layers(chain)
    assert candidates(wanted, [str(tmp_path / "gone")]) == []


def test_nothing_is_wanted_of_a_complete_chain(qemu_img: QemuImg, tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "top.qcow2", "1M")
    assert list(wanted_layers(discover(tmp_path / "top.qcow2"))) == []
