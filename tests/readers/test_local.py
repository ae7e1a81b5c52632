"""Local images are opened without side effects, and every refusal is a typed error."""

import os
from pathlib import Path

import pytest
from tests.discover.opened import told
from tests.live.peers import requires

from diskchain.errors import NotStorage, StorageDenied, StorageError, StorageMissing, TruncatedImage
from diskchain.readers.local import open_local
from diskchain.storage.terms import StorageType


def test_a_file_shows_its_head_its_size_and_what_it_uses(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"x" * 10_000)
    with open_local(str(path)) as image:
        assert image.head == b"x" * 4096
        assert image.pread(9_999, 1) == b"x"
        assert (image.facts.type, image.facts.size) == (StorageType.FILE, 10_000)
        assert image.facts.allocated == path.stat().st_blocks * 512


def test_reading_past_the_end_is_truncation(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"x")
    with open_local(str(path)) as image, pytest.raises(TruncatedImage):
        image.window().read(0, 2)


def test_two_names_of_one_file_have_one_identity(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "c").symlink_to("a")
    assert len({_identity(tmp_path / name) for name in "abc"}) == 1


def _identity(path: Path) -> tuple[int, int] | None:
    with open_local(str(path)) as image:
        return image.facts.identity


def test_a_directory_has_no_bytes(tmp_path: Path) -> None:
    with open_local(str(tmp_path)) as image:
        assert image.facts.type is StorageType.DIR
        assert image.head == b""


@pytest.mark.parametrize("name", ["gone", "file/below", "a\0b"])
def test_nothing_there_is_missing(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageMissing):
        open_local(f"{tmp_path}/{name}")


def test_a_fifo_is_refused_at_once(fifo: Path) -> None:
    with pytest.raises(NotStorage, match="is a FIFO"):
        open_local(str(fifo))


def test_a_fifo_that_takes_the_place_of_a_file_in_between_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"x")

    def exchange(name: str, _: int) -> None:
        if name == str(path) and path.is_file():
            path.unlink()
            os.mkfifo(path)

    before = len(list(Path("/proc/self/fd").iterdir()))
    with told(exchange), pytest.raises(StorageError):
        open_local(str(path))
    assert path.is_fifo()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_circle_of_symlinks_is_an_error_of_the_host(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(StorageError, match="in a circle"):
        open_local(str(tmp_path / "a"))


@requires("root")
def test_a_file_another_user_may_not_read_is_denied(image_dir: Path) -> None:
    path = image_dir / "secret"
    path.write_bytes(b"x")
    path.chmod(0o600)
    pid = os.fork()
    if pid == 0:
        os.setgid(65534)
        os.setuid(65534)
        try:
            open_local(str(path))
        except StorageDenied:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.touch()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        with open_local(str(path)):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
