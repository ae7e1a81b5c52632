"""Where another host's paths lie here: the longest prefix decides, symlinks stay inside, and a user's own words stay."""

import os
from pathlib import Path

import pytest

from diskchain.errors import StorageDenied, UsageError
from diskchain.readers.open_beneath import begin_inside
from diskchain.readers.places import Places, parsed_maps


def test_the_longest_prefix_decides() -> None:
    places = Places((("/vm", "/copy/a"), ("/vm/fast", "/copy/b")))
    found = [places.here(path) for path in ("/vm/x", "/vm/fast/x", "/vm/faster", "/vm", "/vmx", "/other")]
    assert found == ["/copy/a/x", "/copy/b/x", "/copy/a/faster", "/copy/a", "/vmx", "/other"]


def test_what_lies_here_already_is_not_mapped_once_more() -> None:
    places = Places((("/vm", "/vm/copy"),))
    assert [places.here(path) for path in ("/vm/x", "/vm/copy/x")] == ["/vm/copy/x", "/vm/copy/x"]


def test_a_root_is_where_all_else_lies(tmp_path: Path) -> None:
    places = Places((("/vm", str(tmp_path / "disks")),), str(tmp_path))
    found = [places.here(path) for path in ("/vm/x", "/etc/x", f"{tmp_path}/y")]
    assert found == [f"{tmp_path}/disks/x", f"{tmp_path}/etc/x", f"{tmp_path}/y"]


def test_a_path_that_climbs_stays_below_the_root(tmp_path: Path) -> None:
    places = Places(root=str(tmp_path))
    for path in (f"{tmp_path}/../etc/passwd", "/a/../../../etc/passwd", f"{tmp_path}/a/../../../../../../etc/passwd"):
        opened = places.opened(path)
        assert opened.startswith(f"{tmp_path}/"), path


def test_a_path_that_climbs_is_mapped_by_where_it_leads() -> None:
    places = Places((("/vm", "/copy"),))
    assert [places.here(path) for path in ("/vm/a/../b", "/vm/../etc/x")] == ["/copy/b", "/etc/x"]


def test_what_a_user_named_stays() -> None:
    places = Places(root="/nowhere")
    places.keep("/home/me/top.qcow2")
    assert places.opened("/home/me/top.qcow2") == "/home/me/top.qcow2"
    assert places.opened("/home/me/base.qcow2") == "/nowhere/home/me/base.qcow2"


@pytest.mark.parametrize("target", ["/data/base", "../data/base", "../../../../../../data/base", "/up/data/base"])
def test_symlinks_mean_what_they_mean_on_the_other_host(target: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "base").write_text("theirs")
    (tmp_path / "up").symlink_to("/")
    (tmp_path / "vm").mkdir()
    (tmp_path / "vm" / "link").symlink_to(target)
    assert Places(root=str(tmp_path)).opened("/vm/link") == f"{tmp_path}/data/base"


def test_a_loop_of_symlinks_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/b")
    (tmp_path / "b").symlink_to("/a")
    assert Places(root=str(tmp_path)).opened("/a").startswith(f"{tmp_path}/")


def test_what_lies_outside_in_the_end_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").write_text("ours")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")  # as one that is exchanged after it was looked at
    with pytest.raises(StorageDenied, match="leads out of"):
        begin_inside(str(tmp_path / "root" / "link"), str(tmp_path / "root"), 16)
    (tmp_path / "root" / "inside").write_text("theirs")
    fd, _, head = begin_inside(str(tmp_path / "root" / "inside"), str(tmp_path / "root"), 16)
    os.close(fd)
    assert head == b"theirs"


@pytest.mark.parametrize("words", [["relative=/x"], ["/x"], ["/x="], ["/a=/b", "/b=/c"], ["/a=/b", "/b=/a"]], ids=str)
def test_maps_that_make_no_sense_are_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        Places(parsed_maps(words))


def test_a_map_that_leads_out_of_the_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing outside"):
        Places((("/vm", "/srv"),), str(tmp_path))
