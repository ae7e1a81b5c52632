"""Files replaced in place: on a real file system, with real ACLs and real signals."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.live.peers import requires
from tests.live.storage import run

from diskchain.errors import NotStorage, StorageError, UsageError
from diskchain.system.atomic_write import replace_file, write_file

NOBODY = 65534

REPLACE_FOREVER = """
import os, sys
from diskchain.system.atomic_write import replace_file
path = sys.argv[1]
while True:
    for letter in (b"a", b"b"):
        replace_file(path, letter * 300_000, os.stat(path))
        print("replaced", flush=True)
"""

REPLACE_SLOWLY = """
import os, sys
from diskchain.system.atomic_write import replace_file
def wait(descriptor):
    os.fsync = real
    print("written", flush=True)
    sys.stdin.readline()
path = sys.argv[1]
real, os.fsync = os.fsync, wait
replace_file(path, b"new", os.stat(path))
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "vm.xml"
    path.write_bytes(b"old")
    path.chmod(0o640)
    return path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_gets_its_new_content_and_nothing_stays_beside_it(old: Path) -> None:
    replace_file(str(old), b"new", old.stat())
    assert old.read_bytes() == b"new"
    assert names(old.parent) == ["vm.xml"]


@pytest.mark.parametrize("mode", [0o400, 0o604, 0o755, 0o4750])
def test_mode_is_kept(old: Path, mode: int) -> None:
    old.chmod(mode)
    replace_file(str(old), b"new", old.stat())
    assert stat.S_IMODE(old.stat().st_mode) == mode


@requires("root")
def test_owner_and_group_are_kept(old: Path) -> None:
    os.chown(old, NOBODY, NOBODY - 1)
    replace_file(str(old), b"new", old.stat())
    assert (old.stat().st_uid, old.stat().st_gid) == (NOBODY, NOBODY - 1)


@requires("setfacl", "getfacl")
def test_acl_is_kept_and_a_default_acl_does_not_creep_in(old: Path) -> None:
    run("setfacl", "-m", "u:nobody:rw,g:nogroup:r", old)
    run("setfacl", "-d", "-m", "u:daemon:rwx", old.parent)
    before = run("getfacl", "--omit-header", "--absolute-names", old)
    replace_file(str(old), b"new", old.stat())
    assert run("getfacl", "--omit-header", "--absolute-names", old) == before
    plain = old.with_name("plain.xml")
    plain.write_bytes(b"old")
    run("setfacl", "-b", plain)
    replace_file(str(plain), b"new", plain.stat())
    assert "daemon" not in run("getfacl", "--omit-header", "--absolute-names", plain)


def test_extended_attributes_are_kept(old: Path) -> None:
    try:
        os.setxattr(old, "user.note", b"mine")
    except OSError as error:
        pytest.skip(f"needs a file system with user attributes: {error.strerror}")
    replace_file(str(old), b"new", old.stat())
    assert os.getxattr(old, "user.note") == b"mine"


def test_a_symlink_stays_and_its_target_is_replaced(old: Path) -> None:
    link = old.parent / "sub" / "link.xml"
    link.parent.mkdir()
    link.symlink_to("../vm.xml")
    replace_file(str(link), b"new", link.stat())
    assert link.is_symlink()
    assert old.read_bytes() == b"new"
    assert names(link.parent) == ["link.xml"]


def test_a_file_that_changed_since_it_was_read_is_left_alone(old: Path) -> None:
    seen = old.stat()
    old.write_bytes(b"somebody else's")
    with pytest.raises(UsageError, match="has changed since it was read"):
        replace_file(str(old), b"new", seen)
    assert old.read_bytes() == b"somebody else's"


@requires("root")
def test_a_file_whose_owner_would_change_is_left_alone(image_dir: Path) -> None:
    image_dir.chmod(0o777)
    path = image_dir / "vm.xml"
    path.write_bytes(b"old")
    path.chmod(0o644)
    os.seteuid(NOBODY)
    try:
        with pytest.raises(UsageError, match="belongs to someone else"):
            replace_file(str(path), b"new", path.stat())
    finally:
        os.seteuid(0)
    assert path.read_bytes() == b"old"
    assert names(image_dir) == ["vm.xml"]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_only_a_regular_file_can_be_replaced(tmp_path: Path, make: object) -> None:
    path = tmp_path / "other"
    make(path)  # type: ignore[operator]
    with pytest.raises(NotStorage, match="not a regular file"):
        replace_file(str(path), b"new", path.stat())


def test_a_directory_that_is_gone_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file or directory"):
        write_file(str(tmp_path / "gone" / "vm.xml"), b"new")


def test_a_full_device_is_a_storage_error() -> None:
    with pytest.raises(StorageError, match="No space left on device"):
        write_file("/dev/full", b"new")


def test_a_new_file_gets_the_mode_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(str(tmp_path / "new.xml"), b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.xml").stat().st_mode) == 0o640
    assert names(tmp_path) == ["new.xml"]


def test_writing_to_an_existing_file_keeps_its_mode(old: Path) -> None:
    write_file(str(old), b"new")
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert old.read_bytes() == b"new"


def test_a_fifo_is_written_to(fifo: Path) -> None:
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    write_file(str(fifo), b"new")
    reader.join()
    assert read == [b"new"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("rounds", range(1, 9))
def test_a_signal_leaves_the_old_or_the_new_document_and_no_third_file(
    old: Path, number: signal.Signals, rounds: int
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", REPLACE_FOREVER, old], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        for _ in range(rounds):
            child.stdout.readline()
        child.send_signal(number)
        child.stdout.read()
    assert child.returncode == -number
    assert names(old.parent) == ["vm.xml"]
    assert old.read_bytes() in (b"a" * 300_000, b"b" * 300_000)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_new_document_is_on_its_way_to_the_disk_waits_until_it_is_in_place(
    old: Path, number: signal.Signals
) -> None:
    command: list[str | Path] = [sys.executable, "-c", REPLACE_SLOWLY, old]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"
        child.send_signal(number)
        child.stdin.write(b"synced\n")
        child.stdin.close()
    assert child.returncode == -number
    assert names(old.parent) == ["vm.xml"]
    assert old.read_bytes() == b"new"


@pytest.mark.parametrize("change", ["content", "size kept", "mode", "another file", "gone"])
def test_an_edit_while_the_new_document_is_written_is_not_lost(
    old: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    def edit() -> None:
        if change == "content":
            old.write_bytes(b"edited meanwhile")
        elif change == "size kept":
            old.write_bytes(b"OLD")
            os.utime(old, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # as cp -p and rsync do
        elif change == "mode":
            old.chmod(0o600)
        elif change == "another file":
            (old.parent / "editor's").write_bytes(b"old")
            (old.parent / "editor's").rename(old)
        else:
            old.unlink()

    def synced(descriptor: int) -> None:
        monkeypatch.undo()
        edit()
        os.fsync(descriptor)

    seen = old.stat()
    monkeypatch.setattr(os, "fsync", synced)  # the last step before the new file takes its place
    with pytest.raises(UsageError, match="has changed since it was read"):
        replace_file(str(old), b"new", seen)
    assert names(old.parent) == ([] if change == "gone" else ["vm.xml"])
    assert change == "gone" or old.read_bytes() != b"new"


def test_it_is_told_how_many_other_names_keep_the_old_content(old: Path) -> None:
    assert replace_file(str(old), b"new", old.stat()) == 0
    for name in ("second", "third"):
        (old.parent / name).hardlink_to(old)
    assert replace_file(str(old), b"newer", old.stat()) == 2
    assert (old.parent / "second").read_bytes() == b"new"
