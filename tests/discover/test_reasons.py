"""What is said of a file that is missing or closed: why, and what a name means elsewhere."""

from pathlib import Path

import pytest
from tests.discover.chains import discover, overlay
from tests.live.storage import QemuImg

from diskchain.discover.reasons import why_denied, why_missing


def said(qemu_img: QemuImg, tmp_path: Path, backing: str) -> str:
    """The message about the missing backing file, after the part that names it."""
    (found,) = discover(overlay(qemu_img, tmp_path / "top", backing)).findings
    assert found.id == "missing"
    return found.message.partition(f"named by {tmp_path}/top")[2]


def test_a_link_is_named_with_its_target_and_the_group_it_leads_to(qemu_img: QemuImg, tmp_path: Path) -> None:
    (tmp_path / "base").symlink_to("/dev/vg0-asleep/vol1")
    told = said(qemu_img, tmp_path, "base")
    assert f"{tmp_path}/base is a symlink to /dev/vg0-asleep/vol1" in told
    assert "the volume group vg0-asleep is not active on this host" in told


def test_a_dangling_link_names_what_is_not_there(qemu_img: QemuImg, tmp_path: Path) -> None:
    (tmp_path / "base").symlink_to("gone")
    assert f"{tmp_path}/base is a symlink to gone; there is no {tmp_path}/gone" in said(qemu_img, tmp_path, "base")


def test_the_first_directory_that_is_absent_is_named(qemu_img: QemuImg, tmp_path: Path) -> None:
    (tmp_path / "other-nas").mkdir()
    told = said(qemu_img, tmp_path, f"{tmp_path}/absent-nas/images/base")
    assert told == f": there is no directory {tmp_path}/absent-nas"


def test_nothing_more_is_said_of_a_plain_name(qemu_img: QemuImg, tmp_path: Path) -> None:
    assert said(qemu_img, tmp_path, "gone") == ""


def test_a_file_in_the_way_and_an_empty_directory_are_named(qemu_img: QemuImg, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path}/file is a file, not a directory" in said(qemu_img, tmp_path, "file/base")
    assert f"{tmp_path}/empty is empty, as a mount point is" in said(qemu_img, tmp_path, "empty/base")


def test_a_circle_of_links_is_missing(qemu_img: QemuImg, tmp_path: Path) -> None:
    (tmp_path / "base").symlink_to("base")
    assert "the symlinks go round in a circle" in said(qemu_img, tmp_path, "base")


def test_only_the_last_of_many_links_are_named(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / str(number)).symlink_to(str(number + 1))
    told = why_missing(f"{tmp_path}/0", None)
    assert told.count("is a symlink to") == 3
    assert f"{tmp_path}/8 is a symlink to 9" in told


@pytest.mark.parametrize("name", ["rbd:pool/image", "nbd://host/export", "iscsi://host/iqn.2020-01.x:t/1"])
def test_a_network_name_in_place_of_a_file_is_known(name: str) -> None:
    assert "libvirt wants <disk type='network'>" in why_missing(name, None)


def test_a_name_with_backslashes_is_shown_as_stored(qemu_img: QemuImg, tmp_path: Path) -> None:
    assert "it is stored as ..\\base: it looks like a path of Windows" in said(qemu_img, tmp_path, "..\\base")


def test_a_file_that_may_not_be_read_is_told_with_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "closed"
    path.write_bytes(b"")
    path.chmod(0o200)
    owner = path.stat().st_uid
    assert why_denied(str(path), "permission denied") == (
        f"permission denied: it belongs to user {owner}, its mode is 0200"
    )
