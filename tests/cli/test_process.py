"""The process as the shell sees it: closed descriptors, a full disk, interruption. One line and an exit code, never a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.discover.written import write_qcow2

#: argparse drops what it cannot write; what is buffered is missed at the end.
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def shell(command: str, image: Path) -> subprocess.CompletedProcess[str]:
    """``command`` with ``$D`` for diskchain and ``$I`` for an image, by a shell."""
    environ = BUFFERED | {"D": f"{sys.executable} -m diskchain", "I": str(image)}
    return subprocess.run(["sh", "-c", command], env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.raw"
    path.write_bytes(bytes(512))
    return path


@pytest.mark.parametrize("verb", ["show", "show --json", "check", "check --sarif", "info", "secrets"])
@pytest.mark.parametrize("output", [">&-", ">/dev/full"])
def test_output_that_cannot_be_written_is_could_not_tell(verb: str, output: str, image: Path) -> None:
    shown = shell(f"$D {verb} $I {output}", image)
    assert shown.returncode == 3
    assert shown.stderr.startswith("diskchain: cannot write the output: ")
    assert len(shown.stderr.splitlines()) == 1


def test_help_that_cannot_be_written_is_an_error_too(image: Path) -> None:
    assert shell("$D --help >/dev/full", image).returncode == 3


@pytest.mark.parametrize("verb", ["show", "complete", "diff"])
def test_a_closed_standard_input_is_named(verb: str, image: Path) -> None:
    shown = shell(f"$D {verb} - <&-", image)
    assert (shown.returncode, shown.stderr) == (3, "diskchain: standard input: bad file descriptor\n")


def test_closed_or_full_standard_error_changes_no_exit_code(image: Path) -> None:
    assert shell("$D show $I 2>&- >/dev/null", image).returncode == 0
    assert shell("$D show $I 2>/dev/full >/dev/null", image).returncode == 0
    assert shell("$D show $I.nowhere 2>&-", image).returncode == 3
    assert shell("$D show $I.nowhere 2>/dev/full", image).returncode == 3


def test_no_image_gets_the_number_of_a_closed_descriptor(image: Path) -> None:
    script = "import diskchain.__main__ as m, os, sys\nm._fill_closed_descriptors()\nos._exit(os.open(sys.argv[1], os.O_RDONLY))"
    opened = subprocess.run(
        ["sh", "-c", f'exec {sys.executable} -c "$0" "$1" <&- >&- 2>&-', script, str(image)], check=False
    )
    assert opened.returncode > 2


def test_ctrl_c_while_modules_load_leaves_no_traceback(tmp_path: Path) -> None:
    # An entry of the path that interrupts the process when the first module of ours is looked for.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'diskchain.discover':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
    )
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    shown = subprocess.run(
        [sys.executable, "-m", "diskchain", "show", "x"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (shown.returncode, shown.stderr) == (130, "")


def test_before_interruption_is_caught_nothing_but_a_table_of_numbers_is_loaded() -> None:
    code = "import sys; before = {*sys.modules}; import diskchain.__main__; print(*sorted({*sys.modules} - before))"
    loaded = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == ["diskchain", "diskchain.__main__", "diskchain.report", "diskchain.report.exit_codes"]


def test_ctrl_c_keeps_what_was_printed(tmp_path: Path) -> None:
    for number in range(1500):  # more than a pipe holds
        write_qcow2(tmp_path / f"{number:04}.qcow2", "gone.qcow2")
    command = [sys.executable, "-m", "diskchain", "check", str(tmp_path)]
    python = [
        "-c",
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); os.execv(sys.argv[1], sys.argv[1:])",
    ]
    with subprocess.Popen(
        [sys.executable, *python, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        before = [running.stdout.readline() for _ in range(200)]
        running.send_signal(signal.SIGINT)
        after, errors = running.stdout.read(), running.stderr.read()
    assert (running.returncode, errors) == (130, "")
    assert "1,500 images" in before[0]
    assert sum(": 1 error" in line for line in before) > 20
    assert "1499.qcow2: 1 error" not in after
