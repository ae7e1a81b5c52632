"""Walking a directory: every name once, whatever is there, and no end of the walk before its end."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.live.peers import requires

from diskchain.system.directory_walk import walk

_WALK = "import sys; from diskchain.system.directory_walk import walk; print(*(f'{e.kind}:{e.path}' for e in walk(sys.argv[1], one_file_system=len(sys.argv) > 2)), sep='\\n')"


def kinds(top: Path, **how: bool) -> dict[str, str]:
    return {os.path.relpath(each.path, top): each.kind for each in walk(str(top), **how)}


def test_files_come_in_the_order_of_names_before_directories(tmp_path: Path) -> None:
    for name in ("b/2", "a/x/1", "c", "a/0"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(kinds(tmp_path)) == ["c", "a/0", "a/x/1", "b/2"]


def test_what_is_no_file_is_named_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    (tmp_path / "up").symlink_to("..")
    (tmp_path / "gone").symlink_to("nowhere")
    assert kinds(tmp_path) == {"fifo": "special", "socket": "special", "up": "symlink", "gone": "symlink"}


def test_names_may_have_any_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"a\xff\n.qcow2")
    (tmp_path / name).touch()
    assert kinds(tmp_path) == {name: "file"}


def test_a_directory_that_is_gone_is_told_of(tmp_path: Path) -> None:
    (found,) = walk(str(tmp_path / "nowhere"))
    assert found.kind == "unread"
    assert isinstance(found.error, FileNotFoundError)


@requires("root", "setpriv")
def test_a_directory_that_may_not_be_read_ends_nothing(image_dir: Path) -> None:
    (image_dir / "locked").mkdir(mode=0o700)
    (image_dir / "open").mkdir(mode=0o755)
    (image_dir / "open" / "file").touch()
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", _WALK]
    done = subprocess.run([*as_nobody, image_dir], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"unread:{image_dir}/locked", f"file:{image_dir}/open/file"]


@requires("root", "unshare")
@pytest.mark.parametrize("one", [True, False])
def test_other_file_systems_can_be_left_out_and_no_mount_makes_a_loop(tmp_path: Path, one: bool) -> None:  # noqa: FBT001
    for name in ("other", "again", "proc"):
        (tmp_path / name).mkdir()
    mounts = f"mount -t tmpfs none {tmp_path}/other && touch {tmp_path}/other/x && mount --bind {tmp_path} {tmp_path}/again && mount -t proc none {tmp_path}/proc"
    script = f'{mounts} && exec "$@"'
    command = [sys.executable, "-c", _WALK, str(tmp_path), *(["one"] if one else [])]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *command], capture_output=True, text=True, check=True
    )
    inside = [f"mount:{tmp_path}/other"] if one else [f"file:{tmp_path}/other/x"]
    assert sorted(done.stdout.split()) == sorted([f"mount:{tmp_path}/proc", *inside])
