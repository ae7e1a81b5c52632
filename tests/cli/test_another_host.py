"""Disks copied from another host: ``--root``, ``--map`` and ``--evidence``."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.cli.commands import diskchain
from tests.discover.written import write_qcow2
from tests.live.peers import give_up, requires

import diskchain as library

DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A directory that both hosts have; here it holds other files of the same names."""
    own = tmp_path / "images"
    own.mkdir()
    write_qcow2(own / "base.qcow2", "ours.qcow2")  # and that is missing
    return own


@pytest.fixture
def copy(own: Path, tmp_path: Path) -> Path:
    """The root of the copy: a chain by absolute names, and its domain's document."""
    place = tmp_path / "copy" / str(own)[1:]
    place.mkdir(parents=True)
    write_qcow2(place / "base.qcow2")
    write_qcow2(place / "top.qcow2", str(own / "base.qcow2"))
    (tmp_path / "copy" / "vm.xml").write_text(DISK.format(own / "top.qcow2"))
    return tmp_path / "copy"


def top(copy: Path, own: Path) -> Path:
    return copy / str(own)[1:] / "top.qcow2"


@pytest.mark.parametrize("verb", ["show", "check", "diff", "blockdev", "secrets"])
@pytest.mark.parametrize("target", ["image", "document"])
def test_what_is_stored_is_looked_up_in_the_copy(verb: str, target: str, copy: Path, own: Path) -> None:
    if (verb, target) == ("diff", "image"):
        return
    path = top(copy, own) if target == "image" else copy / "vm.xml"
    assert diskchain(verb, path, "--root", copy).code == 0
    assert diskchain(verb, path, "--map", f"{own}={top(copy, own).parent}").code == 0
    if target == "image":
        assert "ours.qcow2" in diskchain("show", path).out  # without it, this host's own


def test_a_layer_is_shown_as_stored_and_as_opened(copy: Path, own: Path) -> None:
    path = top(copy, own)
    shown = diskchain("show", "-v", path, "--root", copy).out
    assert f"{own}/base.qcow2\n│  opened as {path.parent}/base.qcow2\n" in shown
    first, second = json.loads(diskchain("show", "--json", path, "--root", copy).out)["disks"][0]["layers"]
    assert (first["opened"], second["filename"], second["opened"]) == (
        None,
        f"{own}/base.qcow2",
        f"{path.parent}/base.qcow2",
    )


def test_what_is_not_in_the_copy_is_missing_whatever_this_host_has(copy: Path, own: Path) -> None:
    path = top(copy, own)
    path.with_name("base.qcow2").unlink()
    shown = diskchain("check", path, "--root", copy)
    assert shown.code == 1
    assert f"no such file: {own}/base.qcow2" in shown.out
    assert "ours.qcow2" not in shown.out


def test_a_symlink_in_the_copy_leads_nowhere_but_in_the_copy(copy: Path, own: Path) -> None:
    base = top(copy, own).with_name("base.qcow2")
    base.rename(copy / "moved.qcow2")
    base.symlink_to("/moved.qcow2")
    assert diskchain("check", top(copy, own), "--root", copy).code == 0
    base.unlink()
    base.symlink_to(own / "base.qcow2")  # in the copy, that is itself
    shown = diskchain("check", top(copy, own), "--root", copy)
    assert (shown.code, "ours.qcow2" in shown.out) != (0, True)
    assert "ours.qcow2" not in shown.out


def test_qemu_gets_the_files_of_the_copy(copy: Path, own: Path) -> None:
    shown = diskchain("blockdev", copy / "vm.xml", "--root", copy).out
    assert f'"{top(copy, own).parent}/base.qcow2"' in shown
    assert f'"{own}/base.qcow2"' not in shown


def test_no_command_comes_with_what_is_wrong_with_a_copy(copy: Path, own: Path) -> None:
    top(copy, own).with_name("base.qcow2").unlink()
    assert "fix:" in diskchain("check", top(copy, own)).out
    for options in (["--root", copy], ["--map", f"{own}={copy}"], ["--evidence"]):
        shown = diskchain("check", top(copy, own), *options).out
        assert "fix:" not in shown
        assert "rebase" not in shown
        assert "no command is suggested" in shown
        found = json.loads(diskchain("check", "--json", top(copy, own), *options).out)
        assert all("fix" not in each for target in found["targets"] for each in target["findings"])


def test_a_directory_of_a_copy_is_one_forest(copy: Path) -> None:
    shown = diskchain("show", copy, "--root", copy)
    assert shown.code == 0
    assert "└─ " in shown.out
    assert "used by vda of vm.xml" in shown.out


def test_evidence_keeps_the_times_of_last_access(copy: Path, own: Path) -> None:
    path = top(copy, own)
    for each in (path, path.with_name("base.qcow2"), copy / "vm.xml"):
        os.utime(each, (1_000_000_000, 1_500_000_000))
    for verb in ("show", "check"):
        assert diskchain(verb, copy / "vm.xml", "--evidence", "--root", copy).code == 0
    times = [each.stat().st_atime for each in (path, path.with_name("base.qcow2"), copy / "vm.xml")]
    assert times == [1_000_000_000] * 3


def test_a_root_that_is_no_directory_is_a_usage_error(copy: Path) -> None:
    for verb in ("show", "check", "blockdev"):
        assert diskchain(verb, copy / "vm.xml", "--root", copy / "nowhere").code == 2


@requires("root")
def test_a_device_in_a_copy_is_not_opened(copy: Path, own: Path) -> None:
    base = top(copy, own).with_name("base.qcow2")
    base.unlink()
    made = subprocess.run(["mknod", base, "b", "7", "250"], check=False)
    if made.returncode:
        give_up("no device node can be made here")
    shown = diskchain("check", top(copy, own), "--root", copy)
    assert (shown.code, "it is a block device of this host" in shown.out) == (3, True)


def test_python_takes_them_as_well(copy: Path, own: Path) -> None:
    chain = library.discover(copy / "vm.xml", root=str(copy))
    assert ([str(getattr(layer.source.location, "path", None)) for layer in chain], chain.complete) == (
        [f"{own}/top.qcow2", f"{own}/base.qcow2"],
        True,
    )
    again = library.discover(copy / "vm.xml", map=[(str(own), str(top(copy, own).parent))])
    assert again.complete
