"""The table of mounts is read as the kernel writes it, whatever is in the paths, and its absence is no error."""

import os
import subprocess
from pathlib import Path

import pytest
from tests.live.peers import requires

from diskchain.system import mounts
from diskchain.system.mounts import is_mount_point, mount_point, mount_points, parse_mounts, read_mounts


def test_the_mount_of_a_path_is_found_by_its_letters() -> None:
    assert mount_point("/proc/self/status") == "/proc"
    assert mount_point("/proc") == "/proc"
    assert mount_point("/process") == "/"
    assert mount_point("/a/b/c", frozenset({"/", "/a", "/a/b"})) == "/a/b"
    assert mount_point("/ab", frozenset({"/", "/a"})) == "/"


def test_a_relative_path_is_taken_from_the_working_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc")
    assert mount_point("self/status") == "/proc"


@pytest.mark.parametrize("text", ["", "1 2 8:1 /", "1 2 8:1 / /a rw - ", "x 2 8:1 / /a rw - ext4 a rw"])
def test_a_line_that_makes_no_sense_is_left_out(text: str) -> None:
    assert parse_mounts(text) == {}


def test_blanks_that_are_not_escaped_belong_to_the_path() -> None:
    (mount,) = parse_mounts("1 2 8:1 / /a\x0b\xa0\x85\\043\\1340401 rw - tmpfs  rw\n").values()
    assert (mount.point, mount.source) == ("/a\x0b\xa0\x85#\\0401", "")


def test_without_the_table_nothing_is_known_and_nothing_raised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mounts, "_MOUNTINFO", str(tmp_path / "gone"))
    assert (mount_points(), mount_point("/proc/self"), is_mount_point("/proc")) == (frozenset(), "/", False)
    assert read_mounts(tmp_path / "gone") == {}


def test_without_a_working_directory_a_relative_path_is_on_the_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert mount_point("image") == "/"


@requires("root")
@pytest.mark.parametrize("name", ["a b", "a\tb", "a\nb", "a\\b", "a\\040b", "a\x0c\x85b", "a#b"])
def test_a_mount_is_found_whatever_its_name(tmp_path: Path, name: str) -> None:
    point = tmp_path / name
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", point], check=True)
    try:
        real = os.path.realpath(point)
        assert is_mount_point(real)
        assert mount_point(f"{real}/file") == real
        assert any(mount.point == real and mount.fstype == "tmpfs" for mount in read_mounts().values())
    finally:
        subprocess.run(["umount", point], check=True)
