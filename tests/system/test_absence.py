"""Why nothing is at a path is told apart: the first thing that is absent, links, mounts, volume groups."""

import os
from pathlib import Path

import pytest

from diskchain.system.absence import Absence, Reason, absence


def fstab(tmp_path: Path, *lines: str) -> Path:
    table = tmp_path / "fstab"
    table.write_text("\n".join(("# a comment", "", "short", *lines)))
    return table


def test_nothing_is_said_of_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "link").symlink_to("a")
    assert absence(str(tmp_path / "link")) is None
    assert absence(str(tmp_path / "." / ".." / tmp_path.name / "a")) is None


def test_a_file_alone_is_absent(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    assert absence(f"{tmp_path}/gone") == Absence(Reason.FILE, f"{tmp_path}/gone")


def test_the_first_directory_that_is_absent_is_named(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    assert absence(f"{tmp_path}/a/b/c/d") == Absence(Reason.DIRECTORY, f"{tmp_path}/a")


def test_an_empty_directory_is_named_as_it_may_be_a_mount_point(tmp_path: Path) -> None:
    found = absence(f"{tmp_path}/gone")
    assert found is not None
    assert (found.empty, found.away) == (str(tmp_path), False)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert absence(f"{tmp_path}/file/x") == Absence(Reason.NOT_A_DIRECTORY, f"{tmp_path}/file")


def test_every_link_on_the_way_is_named_with_its_target(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "dir").symlink_to("real")
    (tmp_path / "real" / "link").symlink_to("../elsewhere/gone")
    found = absence(f"{tmp_path}/dir/link")
    assert found == Absence(
        Reason.DIRECTORY,
        f"{tmp_path}/elsewhere",
        ((f"{tmp_path}/dir", "real"), (f"{tmp_path}/real/link", "../elsewhere/gone")),
    )


def test_links_that_go_round_in_a_circle_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    found = absence(f"{tmp_path}/a")
    assert found is not None
    assert found.reason is Reason.LOOP


def test_a_mount_of_fstab_that_is_not_mounted_is_only_away(tmp_path: Path) -> None:
    (tmp_path / "my nas").mkdir()
    point = f"{tmp_path}/my nas"
    table = fstab(tmp_path, f"nas:/x {point.replace(' ', chr(92) + '040')}/ nfs defaults 0 0", "/dev/sda1 / ext4")
    found = absence(f"{point}/images/base", fstab=table)
    assert found == Absence(Reason.UNMOUNTED, point)
    assert found is not None
    assert found.away
    elsewhere = absence(f"{tmp_path}/my nas 2/base", fstab=table)
    assert elsewhere is not None
    assert elsewhere.reason is Reason.DIRECTORY


def test_what_fstab_mounts_and_is_mounted_is_not_blamed(tmp_path: Path) -> None:
    found = absence("/proc/no-such-thing", fstab=fstab(tmp_path, "proc /proc proc defaults 0 0"))
    assert found is not None
    assert found.reason is Reason.FILE


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("/dev/vg0-asleep/vol1", "vg0-asleep"),
        ("/dev/mapper/vg0--asleep-vol--1", "vg0-asleep"),
        ("/dev/disk/by-id/gone", None),
        ("/dev/gone", None),
    ],
)
def test_a_volume_group_or_device_that_is_not_there_is_only_away(path: str, group: str | None) -> None:
    found = absence(path)
    assert found is not None
    assert found.away
    assert (found.reason, found.where) == ((Reason.INACTIVE, group) if group else (Reason.DETACHED, path))


def test_a_link_to_a_volume_leads_to_its_group(tmp_path: Path) -> None:
    (tmp_path / "disk").symlink_to("/dev/vg0-asleep/vol1")
    found = absence(f"{tmp_path}/disk")
    assert found == Absence(Reason.INACTIVE, "vg0-asleep", ((f"{tmp_path}/disk", "/dev/vg0-asleep/vol1"),))


def test_a_directory_nobody_may_search_hides_what_is_in_it(image_dir: Path) -> None:
    closed = image_dir / "closed"
    closed.mkdir(mode=0)
    if os.geteuid() != 0:
        assert absence(f"{closed}/x") == Absence(Reason.HIDDEN, str(closed))
        return
    pid = os.fork()  # root may search any directory, so another user asks
    if pid == 0:
        os.setresuid(65534, 65534, 65534)
        os._exit(0 if absence(f"{closed}/x") == Absence(Reason.HIDDEN, str(closed)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_a_name_that_no_file_can_have_is_absent(name: str) -> None:
    assert absence(f"/{name}/c") == Absence(Reason.FILE, f"/{name}")
