"""Looking at a file: the walk, libvirt's notes, image locks, handles, identities."""

import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diskchain.access.grants.file_state import open_rights
from diskchain.access.image_locks import ImageLocks, Right, image_locks
from diskchain.access.kernel.identity import ALL_CAPABILITIES, identify
from diskchain.access.kernel.path_facts import End, Follow, Kind, Search
from diskchain.access.kernel.path_walk import walk_path
from diskchain.access.requirements import Access
from diskchain.access.security.saved_labels import SavedLabel, boot_times, saved_labels
from diskchain.errors import UsageError
from diskchain.system.file_handle import Fate, Whereabouts, file_handle, whereabouts
from diskchain.system.mounts import parse_mounts, read_mounts
from diskchain.system.process import Holder, boot_id, holder_of
from diskchain.system.statx import statx
from tests.access import kernel
from tests.live.peers import requires
from tests.live.storage import QemuImg


def test_a_walk_notes_directories_and_symlinks_in_order(tmp_path: Path) -> None:
    real = tmp_path.resolve()
    (real / "a").mkdir()
    (real / "a" / "file").touch()
    (real / "link").symlink_to("a/../a/file")
    facts = walk_path(str(real / "link"))
    tail = [(step.type, step.directory.path.removeprefix(str(real))) for step in facts.steps][-6:]
    assert tail == [("search", ""), ("follow", ""), ("search", ""), ("search", "/a"), ("search", ""), ("search", "/a")]
    assert facts.file is not None
    assert facts.file.path == str(real / "a" / "file")
    assert isinstance(facts.steps[0], Search)
    assert facts.steps[0].directory.path == "/"
    assert [step.last for step in facts.steps if isinstance(step, Follow)] == [True]


@pytest.mark.parametrize(
    ("tail", "end", "creatable"),
    [
        ("missing", End.MISSING, True),
        ("missing/below", End.MISSING, False),
        ("file/below", End.NOT_A_DIRECTORY, False),
        ("loop", End.LOOP, False),
        ("n" * 300, End.TOO_LONG, False),
        ("d/" * 2100, End.TOO_LONG, False),
        ("nul\0", End.MISSING, False),
    ],
)
def test_a_walk_that_ends_early_says_why(tmp_path: Path, tail: str, end: End, *, creatable: bool) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    facts = walk_path(f"{tmp_path}/{tail}")
    assert (facts.file, facts.end, facts.creatable) == (None, end, creatable)


def test_a_relative_path_starts_at_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").touch()
    found = walk_path("x").file
    assert found is not None
    assert found.number == (tmp_path / "x").stat().st_ino


def test_looking_at_a_fifo_or_device_does_not_open_it(fifo: Path) -> None:
    found = walk_path(str(fifo)).file
    assert found is not None
    assert found.kind is Kind.FIFO


@requires("root")
def test_the_binding_agrees_with_the_system_s_own_answers(image_dir: Path) -> None:
    path = image_dir / "x"
    path.touch()
    for flags, expected in (
        (kernel.FS_IMMUTABLE, (True, False)),
        (kernel.FS_APPEND, (False, True)),
        (0, (False, False)),
    ):
        kernel.set_flags(path, flags)
        descriptor = os.open(path, os.O_PATH)
        status, plain = statx(descriptor), os.fstat(descriptor)
        os.close(descriptor)
        assert (status.immutable, status.append) == expected
        assert (status.device, status.inode, status.mode) == (plain.st_dev, plain.st_ino, plain.st_mode)
        birth = subprocess.run(["stat", "-c", "%W", path], capture_output=True, check=True, text=True).stdout
        assert status.birth is not None
        assert status.birth // 1_000_000_000 == int(birth)
        assert status.mount_id in read_mounts()


def test_mount_points_with_blanks_are_unescaped() -> None:
    (mount,) = parse_mounts(r"1 2 8:1 / /mnt/a\040b\134 ro,nodev shared:1 - ext4 /dev/sda1 rw,data=x").values()
    assert mount.point == "/mnt/a b\\"
    assert mount.options == {"ro", "nodev"}
    assert mount.super_options == {"rw", "data=x"}


@given(st.text(max_size=200))
def test_any_text_can_be_read_for_mounts(text: str) -> None:
    parse_mounts(text)


# -------------------------------------------------------------------------------------------------------- libvirt's notes


@requires("root")
def test_libvirt_s_notes_are_read_from_attributes(image_dir: Path) -> None:
    image = image_dir / "x"
    image.touch()
    assert saved_labels(str(image)) == ()
    for name, value in (("dac", b"+0:+0"), ("ref_dac", b"2"), ("timestamp_dac", b"1700000000")):
        os.setxattr(image, f"trusted.libvirt.security.{name}", value)
    assert saved_labels(str(image)) == (SavedLabel("dac", "+0:+0", 2, 1_700_000_000),)


def test_a_note_is_stale_when_it_is_from_another_boot() -> None:
    (boot, *_) = boot_times()
    for timestamp, stale in ((boot, False), (boot + 1, False), (boot - 3600, True), (None, True)):
        assert SavedLabel("dac", "+0:+0", 1, timestamp).stale(frozenset({boot})) is stale


def test_the_boot_time_comes_from_login_records_and_from_the_kernel(tmp_path: Path) -> None:
    record = bytearray(384)
    struct.pack_into("=h", record, 0, 2)
    struct.pack_into("=i", record, 340, 1_600_000_000)
    (tmp_path / "utmp").write_bytes(bytes(384) + record + b"torn")
    (tmp_path / "stat").write_text("cpu 1 2\nbtime 1600000005\n")
    assert boot_times(tmp_path / "utmp", tmp_path / "stat") == {1_600_000_000, 1_600_000_005}
    assert len(boot_times(tmp_path / "none", tmp_path / "none")) == 1


# ------------------------------------------------------------------------------------------------------------ image locks


@contextmanager
def opened_by_qemu(image: Path, *options: str) -> Iterator[int]:
    """A qemu-io that has the image open, and its process id."""
    process = subprocess.Popen(
        ["qemu-io", *options, "-f", "qcow2", image], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write("length\n")
        process.stdin.flush()
        process.stdout.readline()
        yield process.pid
    finally:
        process.communicate("quit\n")


@pytest.fixture
def image(image_dir: Path, qemu_img: QemuImg) -> Path:
    path = image_dir / "x.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", path, "1M")
    return path


def test_an_image_nobody_has_open_has_no_locks(image: Path) -> None:
    assert image_locks(str(image)) == ImageLocks()
    assert image_locks(str(image) + "-missing") is None


def test_a_writing_qemu_keeps_others_out(image: Path) -> None:
    with opened_by_qemu(image) as pid:
        locks = image_locks(str(image))
        assert locks is not None
        assert locks.written
        assert [holder.pid for holder in locks.holders] == [pid]
        assert locks.conflict(Access.WRITE) is not None
        assert locks.conflict(Access.READ) is not None
        assert image_locks(str(image), ignore=frozenset({pid})) == ImageLocks()


def test_a_reading_qemu_lets_others_read(image: Path) -> None:
    with opened_by_qemu(image, "-r"):
        locks = image_locks(str(image))
        assert locks is not None
        assert locks.held
        assert not locks.written
        assert locks.conflict(Access.READ) is None
        assert locks.conflict(Access.WRITE) is not None


@pytest.mark.parametrize("first", [(), ("-r",)])
@pytest.mark.parametrize("second", [(), ("-r",)])
def test_the_conflict_is_what_a_second_qemu_meets(image: Path, first: tuple[str, ...], second: tuple[str, ...]) -> None:
    with opened_by_qemu(image, *first):
        locks = image_locks(str(image))
        refused = subprocess.run(
            ["qemu-io", *second, "-f", "qcow2", "-c", "length", image], capture_output=True, text=True, check=False
        )
    assert locks is not None
    access = Access.READ if second else Access.WRITE
    assert (locks.conflict(access) is not None) == (refused.returncode != 0)


def test_shared_writers_are_told_apart_from_writers_that_want_to_be_alone() -> None:
    sharing = ImageLocks(used=frozenset({Right.CONSISTENT_READ, Right.WRITE}))
    assert sharing.conflict(Access.WRITE, shared=True) is None
    assert sharing.conflict(Access.WRITE) is not None


# ------------------------------------------------------------------------------------------------------------- identities


def test_names_and_numbers_mean_the_same_user() -> None:
    assert identify("root") == identify("0") == replace(identify("+0:+0"), groups=identify("root").groups)
    assert identify("root").capabilities == ALL_CAPABILITIES
    assert identify("root", capabilities=False).capabilities == frozenset()
    assert identify("+64999").uid == 64999
    assert identify("+64999").name is None


@pytest.mark.parametrize(
    "text", ["", "no-such-user-here", "root:no-such-group-here", "-1", "+4294967295", "nul\0", "\udc80"]
)
def test_an_unknown_identity_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        identify(text)


def test_supplementary_groups_come_from_the_user_database() -> None:
    import pwd

    for entry in pwd.getpwall()[:20]:
        assert identify(entry.pw_name).groups == set(os.getgrouplist(entry.pw_name, entry.pw_gid))


def test_a_holder_is_one_process_not_one_number() -> None:
    mine = holder_of(os.getpid())
    assert mine is not None
    assert mine.alive()
    assert not replace(mine, started=mine.started + 1).alive()
    assert not replace(mine, boot="another").alive()
    assert mine.boot == boot_id()


def test_a_dead_process_holds_nothing() -> None:
    process = subprocess.Popen(["sleep", "60"])
    holder = holder_of(process.pid)
    process.kill()
    process.wait()
    assert isinstance(holder, Holder)
    assert not holder.alive()


@requires("root")
def test_a_handle_finds_a_moved_file_and_knows_a_deleted_one(image_dir: Path) -> None:
    path = image_dir / "x"
    path.touch()
    with open_rights(str(path)) as file:
        handle = file.identity().handle
    assert handle is not None
    moved = path.rename(image_dir / "y")
    assert whereabouts(handle, str(image_dir)) == Whereabouts(Fate.MOVED, str(moved))
    moved.unlink()
    assert whereabouts(handle, str(image_dir)) == Whereabouts(Fate.DELETED, None)
    assert whereabouts(None, str(image_dir)).fate is Fate.UNKNOWN
    assert whereabouts(handle, str(image_dir / "missing")).fate is Fate.UNKNOWN


def test_a_file_system_without_handles_gives_none() -> None:
    descriptor = os.open("/proc/self/status", os.O_RDONLY)
    try:
        assert file_handle(descriptor) is None or isinstance(file_handle(descriptor), bytes)
    finally:
        os.close(descriptor)
