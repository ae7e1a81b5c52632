"""A file is opened only if nothing is against what and where it is, and errors are those of any other way to open one."""

import os
from pathlib import Path

import pytest
from tests.discover.opened import opened

from diskchain.errors import NotStorage, PolicyRefusal, StorageError, StorageMissing
from diskchain.readers import open_beneath as pinned
from diskchain.readers.local import begin
from diskchain.readers.open_beneath import begin_pinned
from diskchain.storage.terms import StorageType


def nothing(_: str, __: StorageType | None) -> None:
    return None


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def link(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"content")
    link = tmp_path / "link"
    link.symlink_to("file")
    return link


def test_it_is_told_what_is_there_and_where(link: Path, tmp_path: Path) -> None:
    told = []
    before = descriptors()
    (fd, *found), (other, *expected) = begin_pinned(str(link), 4, lambda *seen: told.append(seen)), begin(str(link), 4)
    assert found == expected
    assert told == [(f"{tmp_path}/file", StorageType.FILE)]
    for each in (fd, other):
        Path(f"/proc/self/fd/{each}").stat()
        os.close(each)
    assert descriptors() == before


def test_what_is_refused_is_not_opened(link: Path) -> None:
    before = descriptors()
    with opened() as files, pytest.raises(PolicyRefusal) as refused:
        begin_pinned(str(link), 4, lambda _, type: f"no {type}")
    assert refused.value.rule == "no file"
    assert not files
    assert descriptors() == before


def test_errors_name_the_path_that_was_asked_for(tmp_path: Path, fifo: Path) -> None:
    for path, error in (
        (f"{tmp_path}/gone", StorageMissing),
        ("a\0b", StorageMissing),
        (str(fifo), NotStorage),
        ("/dev/null", NotStorage),
    ):
        with pytest.raises(error) as caught:
            begin_pinned(path, 4, nothing)
        assert isinstance(caught.value, StorageError)
        assert caught.value.path == path


def test_without_proc_nothing_is_opened(link: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinned, "_DESCRIPTORS", f"{tmp_path}/proc")
    with opened() as files, pytest.raises(StorageError, match="without /proc"):
        begin_pinned(str(link), 4, nothing)
    assert not files
