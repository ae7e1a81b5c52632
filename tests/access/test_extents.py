"""The extents of a VMDK need what their descriptor needs: a real QEMU without rights is the judge of what was granted."""

import subprocess
from pathlib import Path

import pytest

from tests.access.verbs import verb
from tests.access.world import STRANGER
from tests.live.peers import requires
from tests.live.storage import QemuImg

pytestmark = [pytest.mark.qemu, requires("root", "qemu-img", "qemu-io")]

WHO = ("-f", "vmdk", "--as", f"+{STRANGER.uid}:+{STRANGER.gid}")


@pytest.fixture
def split(image_dir: Path, qemu_img: QemuImg) -> Path:
    path = image_dir / "disk.vmdk"
    qemu_img("create", "-q", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", path, "5G")
    return path


def writes(path: Path) -> bool:
    """Whether a stranger's QEMU can write into the first and the last extent."""
    done = subprocess.run(
        ["qemu-io", "-f", "vmdk", "-c", "write 0 64k", "-c", "write 4G 64k", path],
        capture_output=True,
        check=False,
        user=STRANGER.uid,
        group=STRANGER.gid,
        extra_groups=[],
    )
    return done.returncode == 0


def test_a_descriptor_alone_is_not_enough(split: Path) -> None:
    split.chmod(0o666)
    assert not writes(split)
    said = verb("access", split, *WHO)
    assert said.code == 1
    assert said.out.count("denied") == 3
    assert f"{split.with_name('disk-s003.vmdk')}  extent" in said.out


def test_what_is_granted_is_enough_and_all_of_it_is_given_back(split: Path, tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "state"))
    assert verb("grant", split, *WHO, *state, "--apply").code == 0
    assert writes(split)
    assert verb("access", split, *WHO).code == 0
    assert verb("revert", *state).code == 0
    assert not writes(split)
