"""The demo shows what it says, and fails when a command does."""

import os
import subprocess
import sys
from pathlib import Path

_DEMO = Path(__file__).parents[2] / "demo" / "demo.py"


def test_the_demo_passes() -> None:
    done = subprocess.run([sys.executable, _DEMO], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("$ diskchain") == 3


def test_the_demo_fails_with_the_first_command_that_does(tmp_path: Path) -> None:
    broken = tmp_path / "diskchain"
    broken.mkdir()
    (broken / "__init__.py").touch()
    (broken / "__main__.py").write_text("raise SystemExit(3)")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, _DEMO], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "should have exited with 0, and did with 3" in done.stderr
    assert done.stdout.count("$ diskchain") == 1
