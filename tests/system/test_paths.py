"""Paths where the working directory is gone, or storage does not answer: a typed error, at once."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.live.hung import Served

from diskchain.errors import StorageMissing, StorageTimeout
from diskchain.system.paths import absolute_path, real_path, resolved_path


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("made", [absolute_path, resolved_path, real_path])
def test_a_relative_path_is_missing_when_the_working_directory_is_gone(made: Callable[[str], str]) -> None:
    with pytest.raises(StorageMissing, match="image: is relative to a working directory that was deleted"):
        made("image")
    assert made("/usr/../etc") == "/etc"


def test_symlinks_are_followed_before_dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a/b")
    monkeypatch.chdir(tmp_path)
    assert real_path("link/../c") == os.path.realpath(tmp_path / "a" / "c")
    assert absolute_path("link/../c") == str(tmp_path / "c")


@pytest.mark.parametrize("made", [resolved_path, real_path])
def test_a_nul_is_an_error_of_value(made: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="null"):
        made("a\0b")


def test_a_path_that_does_not_answer_times_out(tmp_path: Path, serve: Callable[[Path], Served]) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 16))
    serve(image).hang()
    with pytest.raises(StorageTimeout, match=r"no answer within 0\.3 s"):
        real_path(f"{image}/x", 0.3)
