"""A question to storage that is not answered in time is left behind, and told."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.live.hung import Served

from diskchain.errors import StorageMissing, StorageTimeout
from diskchain.readers.local import open_local
from diskchain.system import deadline as patience
from diskchain.system.deadline import left_behind, patience_with, within


def size(path: Path) -> int:
    with open_local(str(path)) as image:
        return image.size


def test_an_answer_in_time_is_the_answer(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(600))
    assert within(60, str(image), lambda: size(image)) == 600
    assert not left_behind()


def test_what_asking_raises_is_raised(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(StorageMissing, match="no such file"):
        within(60, str(gone), lambda: size(gone))


def test_no_answer_is_an_error_and_others_on_the_mount_get_little_patience(
    tmp_path: Path, serve: Callable[[Path], Served]
) -> None:
    image, other = tmp_path / "image", tmp_path / "other"
    image.write_bytes(bytes(1 << 16))
    served = serve(image)
    served.hang()
    with pytest.raises(StorageTimeout, match=r"no answer within 0\.5 s") as caught:
        within(0.5, str(image), lambda: size(image))
    assert caught.value.path == str(image)
    assert left_behind()
    assert patience_with(str(image), 5) < 1
    assert patience_with(str(other), 5) == 5
    served.answer()
    while left_behind():
        time.sleep(0.01)
    assert patience_with(str(image), 5) == 5
    assert within(60, str(image), lambda: size(image)) == 1 << 16


def test_the_mount_of_a_path_is_found_by_its_letters() -> None:
    assert patience._mount_point("/proc/self/status") == "/proc"
    assert patience._mount_point("/proc") == "/proc"
    assert patience._mount_point("/process") == "/"
