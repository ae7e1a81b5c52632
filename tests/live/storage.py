"""Real images and devices: a directory QEMU can reach, qemu-img, loop devices, a FIFO."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from diskchain.versions import Versions
from tests.live.peers import PEER_VERSIONS, demand, give_up

_OTHERS_MAY_PASS = 0o001
_TRIES_ON_A_BUSY_MACHINE = 10


@pytest.fixture
def image_dir() -> Iterator[Path]:
    """An empty directory that any user can pass through, so that QEMU can open the images in it.

    pytest's `tmp_path` is closed to others at every level.
    """
    directory = Path(tempfile.mkdtemp(prefix="diskchain-images-")).resolve()
    try:
        directory.chmod(0o755)
        closed = [parent for parent in directory.parents if not parent.stat().st_mode & _OTHERS_MAY_PASS]
        if closed:
            give_up(f"needs a TMPDIR that other users can pass through; {closed[0]} is closed to them")
        yield directory
    finally:
        shutil.rmtree(directory)


class QemuImg:
    """Runs qemu-img with the arguments as given, without a shell."""

    def __init__(self) -> None:
        demand("qemu-img")
        self.version = self("--version").split()[2]
        major, minor = self.version.split(".")[:2]
        self.versions = Versions(qemu=(int(major), int(minor)))

    def __call__(self, *arguments: str | Path) -> str:
        """Gives what it printed; raises `CalledProcessError` with its complaint as a note.

        Making a LUKS key, QEMU 7.2 times itself and gives up when the machine is busy; that is tried again.
        """
        for _ in range(_TRIES_ON_A_BUSY_MACHINE):
            try:
                return run("qemu-img", *arguments)
            except subprocess.CalledProcessError as error:
                if "Unable to get accurate CPU usage" not in error.stderr:
                    raise
        return run("qemu-img", *arguments)


@pytest.fixture(scope="session")
def qemu_img(request: pytest.FixtureRequest) -> QemuImg:
    tool = QemuImg()
    request.config.stash[PEER_VERSIONS]["qemu"] = f"QEMU {tool.version}"
    return tool


@pytest.fixture
def loop_device() -> Iterator[Callable[[Path], Path]]:
    """Call it with a file to get the block device that shows it; detached after the test."""
    demand("losetup", "root")
    with ExitStack() as stack:

        def attach(path: Path) -> Path:
            try:
                device = run("losetup", "--find", "--show", path).strip()
            except subprocess.CalledProcessError as error:
                give_up(f"needs loop devices: {error.stderr.strip()}")
            stack.callback(run, "losetup", "--detach", device)
            return Path(device)

        yield attach


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A named pipe without a writer: whoever opens it for reading without O_NONBLOCK hangs."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def run(program: str, *arguments: str | Path) -> str:
    try:
        done = subprocess.run(
            [program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=True, text=True, timeout=60
        )
    except subprocess.CalledProcessError as error:
        error.add_note(error.stderr.strip())
        raise
    return done.stdout
