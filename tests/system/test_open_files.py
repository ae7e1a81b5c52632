"""Who has a file open is found, under whatever name; nobody is named who has not."""

import os
import subprocess
import sys
from pathlib import Path

from diskchain.access.openers import Openers
from diskchain.system.open_files import OpenFiles


def holding(path: Path) -> "subprocess.Popen[bytes]":
    """A process that has ``path`` open, and says so before it waits."""
    script = "import sys; f = open(sys.argv[1], 'rb'); print(flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_process_that_has_a_file_open_is_named_by_any_name_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"x")
    (tmp_path / "other").write_bytes(b"x")
    os.link(tmp_path / "image", tmp_path / "hard")
    (tmp_path / "soft").symlink_to("image")
    with holding(tmp_path / "image") as process:
        holders = {name: OpenFiles().holders(str(tmp_path / name)) for name in ("image", "hard", "soft", "other")}
        process.communicate(b"")
    told = (f"{Path(sys.executable).name[:15]} (process {process.pid})",)
    assert holders == {"image": told, "hard": told, "soft": told, "other": ()}
    assert OpenFiles().holders(str(tmp_path / "image")) == ()


def test_what_this_process_has_open_does_not_count(tmp_path: Path) -> None:
    with (tmp_path / "image").open("wb"):
        assert OpenFiles().holders(str(tmp_path / "image")) == ()


def test_a_holder_is_named_in_words_and_a_file_that_is_gone_has_none(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"x")
    openers = Openers(5)
    with holding(tmp_path / "image") as process:
        assert f"process {process.pid}" in (Openers(5)(str(tmp_path / "image")) or "")
        process.communicate(b"")
    assert openers(str(tmp_path / "gone")) is None
