"""A second process that tidies up when this one cannot: when it was killed. Otherwise it does nothing.

It waits at a pipe for our end. Knows files, directories, mounts and processes by what it is told; no secret ever reaches it, since it
is forked before there is any. What nobody can tidy up: when both are killed at once.
"""

import os
import select
import shutil
import signal
from contextlib import suppress
from types import TracebackType
from typing import Final, NoReturn, Self

from diskchain.system.fuse_mount import unmount

_GRACE_SECONDS: Final = 10.0
_FILE, _DIRECTORY, _MOUNT, _PROCESS, _DONE = b"F", b"D", b"M", b"P", b"."


class Guard:
    """Use as a context manager: leaving it is the sign that all is tidy."""

    def __init__(self) -> None:
        self._pipe = -1
        self._child = 0

    def __enter__(self) -> Self:
        reading, self._pipe = os.pipe2(os.O_CLOEXEC)
        self._child = os.fork()
        if self._child == 0:
            os.close(self._pipe)
            _watch(reading)
        os.close(reading)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._say(_DONE)
        os.close(self._pipe)
        with suppress(ChildProcessError):
            os.waitpid(self._child, 0)

    def file(self, path: str) -> None:
        """A file or socket that is ours."""
        self._say(_FILE + os.fsencode(path))

    def directory(self, path: str) -> None:
        """A directory that is ours, with all that is in it."""
        self._say(_DIRECTORY + os.fsencode(path))

    def mount(self, path: str) -> None:
        """Where a mount of ours may be."""
        self._say(_MOUNT + os.fsencode(path))

    def process(self, pid: int) -> None:
        """A process that ends by itself when we do, or should."""
        self._say(_PROCESS + str(pid).encode())

    def _say(self, message: bytes) -> None:
        with suppress(OSError):  # somebody killed the guard; nothing is lost by that alone
            os.write(self._pipe, message + b"\0")


def _watch(reading: int) -> NoReturn:
    """All the other process does. Nothing of this one's may come to life in it."""
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        os.dup2(reading, 0)
        os.closerange(1, os.sysconf("SC_OPEN_MAX"))
        _tidy(_told())
    finally:
        os._exit(0)


def _told() -> list[tuple[bytes, bytes | int]]:
    """What is to be tidied up, the last first; nothing if we ended in good order. Returns when we have ended."""
    told: list[tuple[bytes, bytes | int]] = []
    rest = b""
    while piece := os.read(0, 4096):
        *messages, rest = (rest + piece).split(b"\0")
        for message in messages:
            if message == _DONE:
                return []
            kind, what = message[:1], message[1:]
            if kind != _PROCESS:
                told.append((kind, what))
                continue
            with suppress(OSError):
                told.append((kind, os.pidfd_open(int(what))))
    return told[::-1]


def _tidy(told: list[tuple[bytes, bytes | int]]) -> None:
    for kind, what in told:
        if kind == _PROCESS and isinstance(what, int):
            poll = select.poll()
            poll.register(what, select.POLLIN)
            if not poll.poll(_GRACE_SECONDS * 1000):
                with suppress(OSError):
                    signal.pidfd_send_signal(what, signal.SIGKILL)
                poll.poll(_GRACE_SECONDS * 1000)
    for kind, what in told:
        if not isinstance(what, bytes):
            continue
        with suppress(OSError):
            if kind == _MOUNT:
                unmount(os.fsdecode(what))
            elif kind == _FILE:
                os.unlink(what)
            elif kind == _DIRECTORY:
                shutil.rmtree(what, ignore_errors=True)
