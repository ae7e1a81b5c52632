"""Storage that stops answering: a file served by a real FUSE daemon (qemu-storage-daemon) that is then stopped.

Knows how such a daemon is started, stopped and got rid of; must not know what is asked of the file.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from diskchain.system.deadline import left_behind
from tests.live.peers import demand, give_up

_START_SECONDS = 20
_POLL_SECONDS = 0.02


class Served:
    """A file whose daemon can be stopped."""

    def __init__(self, path: Path, content: Path) -> None:
        """Starts the daemon, and waits until it serves ``content`` at ``path``."""
        device = path.stat().st_dev
        self._path = path
        self._daemon = subprocess.Popen(
            [
                "qemu-storage-daemon",
                "--blockdev", f"file,node-name=file,read-only=on,filename={content}",
                "--export", f"fuse,id=fuse,node-name=file,mountpoint={path}",
            ]
        )  # fmt: skip
        end = time.monotonic() + _START_SECONDS
        while path.stat().st_dev == device:
            assert self._daemon.poll() is None
            assert time.monotonic() < end
            time.sleep(_POLL_SECONDS)

    def hang(self) -> None:
        """Answer nothing any more."""
        self._path.read_bytes()  # so that the kernel does not believe any more in the times it remembers, and has to ask
        self._daemon.send_signal(signal.SIGSTOP)
        os.waitpid(self._daemon.pid, os.WUNTRACED)

    def answer(self) -> None:
        """Answer again, what was asked meanwhile first."""
        self._daemon.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Kill the daemon, stopped or not; the kernel then ends every call that waits. Killed, it leaves its mount behind."""
        self._daemon.kill()
        self._daemon.wait()
        subprocess.run(["umount", "--lazy", self._path], check=True)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Path], Served]]:
    """Puts a copy of a file, served by a daemon, over it."""
    demand("qemu-storage-daemon", "root")
    if not Path("/dev/fuse").exists():
        give_up("needs /dev/fuse")
    with ExitStack() as ends:

        def start(path: Path) -> Served:
            content = tmp_path / f"content of {path.name}"
            content.write_bytes(path.read_bytes())
            served = Served(path, content)
            ends.callback(served.end)
            return served

        yield start
    end = time.monotonic() + _START_SECONDS
    while left_behind():  # or the next test meets questions that are about to be answered
        assert time.monotonic() < end
        time.sleep(_POLL_SECONDS)
