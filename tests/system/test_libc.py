"""The C library's calls answer as the kernel does, and every refusal is an OSError."""

import errno
import os
from pathlib import Path

import pytest

from diskchain.system import libc


def test_statx_of_no_descriptor_is_an_error() -> None:
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        libc.statx(-1, 0x7FF)
    assert caught.value.errno == errno.EBADF


def test_statx_fills_in_its_structure(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_PATH)
    try:
        assert len(libc.statx(descriptor, 0x7FF)) == 256
    finally:
        os.close(descriptor)


def test_what_is_no_mount_is_not_taken_away(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"\[Errno"):
        libc.umount2(str(tmp_path), libc.MNT_DETACH)


def test_a_function_the_library_lacks_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    libc._function.cache_clear()
    monkeypatch.setattr(libc, "_library", object)
    with pytest.raises(OSError, match="not implemented") as caught:
        libc.umount2("/", 0)
    assert caught.value.errno == errno.ENOSYS
