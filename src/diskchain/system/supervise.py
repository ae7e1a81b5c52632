"""Run a command beside a daemon it depends on: pass signals on, and end it when the daemon is gone.

Knows processes and signals. Must not know what the daemon does.
"""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from diskchain.errors import UsageError
from diskchain.system.parent_death import die_with_parent
from diskchain.system.signals import ENDING, SIGNALLED

#: What is passed on. Ctrl-C goes to the whole foreground group, so the command gets it from the terminal.
_PASSED_ON: Final = (signal.SIGTERM, signal.SIGHUP)
_GRACE_SECONDS: Final = 10.0


def run_beside(
    daemon: int,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    before: Callable[[], None],
    after: Callable[[int], None],
) -> int | None:
    """Run ``command`` to its end and return its exit code (128 + N after signal N); None when the daemon ended first.

    ``daemon`` is a process id. SIGTERM and SIGHUP are passed on; a command that does not heed them is killed, as is one
    that has lost its daemon, and one whose diskchain was killed ends with it. ``before`` is called when no signal can be lost any more,
    ``after`` is told its process id. Raises UsageError when it cannot be started.
    """
    with _wakeups() as wakeup:
        before()
        try:
            process = subprocess.Popen(  # noqa: S603 (the user's own words, no shell)
                command,
                env=dict(environment),
                preexec_fn=die_with_parent(),  # noqa: PLW1509 (it calls prctl and nothing of Python's)
            )
        except OSError as error:
            raise UsageError(f"cannot run {command[0]}: {error.strerror}") from error
        try:
            after(process.pid)
            return _attend(process, daemon, wakeup)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def serve_beside(daemon: int, announce: Callable[[], None]) -> bool:
    """Call ``announce``, and wait for a signal that ends us (True) or for the end of the daemon (False)."""
    with _wakeups() as wakeup, _pidfd(daemon) as daemon_gone:
        announce()
        ready = _poll((wakeup, daemon_gone), None)
        return wakeup in ready


def _attend(process: "subprocess.Popen[bytes]", daemon: int, wakeup: int) -> int | None:
    with _pidfd(process.pid) as command_gone, _pidfd(daemon) as daemon_gone:
        watched = [wakeup, command_gone, daemon_gone]
        deadline: float | None = None
        lost = False
        while True:
            ready = _poll(watched, deadline)
            if command_gone in ready:
                code = process.wait()
                return None if lost else code if code >= 0 else SIGNALLED - code
            if wakeup in ready:
                for number in os.read(wakeup, 64):
                    if number in _PASSED_ON:
                        process.send_signal(number)
                        deadline = deadline or time.monotonic() + _GRACE_SECONDS
            elif daemon_gone in ready:
                lost = True
                watched.remove(daemon_gone)
                process.terminate()
                deadline = deadline or time.monotonic() + _GRACE_SECONDS
            elif not ready:
                process.kill()
                deadline = None


def _poll(descriptors: Sequence[int], deadline: float | None) -> set[int]:
    """Which are ready; none of them at the deadline (``time.monotonic``)."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
    return {descriptor for descriptor, _ in poll.poll(left)}


@contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    """Readable when the process has ended."""
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _wakeups() -> Iterator[int]:
    """A descriptor on which each signal that would end us is one byte, and does nothing else meanwhile."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    wakeup_before = signal.set_wakeup_fd(writing)  # before the handlers: a signal in between is not lost
    # A handler of Python's, not SIG_IGN: what the command inherits is the default action.
    ignored = [number for number in ENDING if signal.getsignal(number) is signal.SIG_IGN]
    before = [(number, signal.signal(number, _noted)) for number in ENDING if number not in ignored]
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(wakeup_before)
        for number, handler in before:
            signal.signal(number, handler)
        with suppress(BlockingIOError):
            os.read(reading, 64)
        os.close(reading)
        os.close(writing)


def _noted(_number: int, _frame: FrameType | None) -> None:
    """The byte in the pipe says it all."""
