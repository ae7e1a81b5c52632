"""Many targets: a line on the terminal after two seconds, and none where nobody sees it."""

import os
import pty
import subprocess
import sys
from pathlib import Path

_COUNT = "from diskchain.cli import progress; progress._SILENT = 0.0; p = progress.Progress()\nwith p: p.tell and (p.tell(5, None), setattr(p, '_next', 0), p.tell(1, 2))"


def test_a_terminal_is_told_how_far_one_is_and_left_clean() -> None:
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", _COUNT], stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 1000)
    os.close(ours)
    assert b"1 of 2 looked at" in shown
    assert shown.endswith(b"\r\x1b[K")


def test_a_file_is_told_nothing(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        subprocess.run([sys.executable, "-c", _COUNT], stderr=log, check=True)
    assert (tmp_path / "log").read_bytes() == b""
