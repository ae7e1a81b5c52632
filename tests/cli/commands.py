"""Run the command line as a user does: as a process."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class Outcome(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def diskchain(*words: str | Path, stdin: str = "", seconds: float = 30, directory: Path | None = None) -> Outcome:
    """Run ``diskchain``, in a ``directory``. A traceback fails the test at once: no input may cause one."""
    done = subprocess.run(
        [sys.executable, "-m", "diskchain", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        cwd=directory,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Outcome(done.returncode, done.stdout, done.stderr)
