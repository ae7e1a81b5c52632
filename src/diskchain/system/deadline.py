"""Ask storage on this host without waiting for it for ever. Knows no question in particular.

A file on a server that is gone, or of a FUSE daemon that stopped, holds whoever asks for it inside the kernel, where no signal but
SIGKILL reaches. So a thread asks, and may be left behind; a process that has left one behind ends by :func:`os._exit`. Built on
``_thread``: the threading module would wait for the thread at the end, and takes a millisecond to import.
"""

import os
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from math import inf
from typing import Any, Final, TypeVar

from diskchain.errors import StorageTimeout

T = TypeVar("T")

#: Seconds for one answer, unless told otherwise.
PATIENCE: Final = 5.0
#: Seconds for one answer from a mount where another question is still open.
_LITTLE_PATIENCE: Final = 0.1
_MOUNT_POINT: Final = 4  # field of /proc/self/mountinfo, proc(5)

#: Mount points where questions are open that nobody waits for any more, by question.
_open_questions: dict[object, str] = {}
_running: set[object] = set()


class Errand:
    """A question asked by a thread of its own: ``ask`` asks it."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._answer: Any = None
        self._error: BaseException | None = None
        self._busy = allocate_lock()
        self._busy.acquire()
        _running.add(self)
        start_new_thread(self._run, ())

    def _run(self) -> None:
        try:
            self._answer = self._ask()
        except BaseException as error:  # noqa: BLE001  # raised again where somebody waits for the answer
            self._error = error
        finally:
            _running.discard(self)
            _open_questions.pop(self, None)
            self._busy.release()

    def wait(self, seconds: float) -> bool:
        """Whether there is an answer within so many seconds."""
        if self._busy.acquire(timeout=max(0.0, seconds)):
            self._busy.release()
            return True
        return False

    def answer(self) -> Any:
        """The answer, once there is one. Raises what asking raised."""
        if self._error is not None:
            raise self._error
        return self._answer

    def give_up(self, path: str) -> None:
        """Leave it behind, waiting for ``path``. As long as it does, others there get little patience."""
        _open_questions[self] = _mount_point(path)
        if self.wait(0):
            _open_questions.pop(self, None)


def within(seconds: float, path: str, ask: Callable[[], T]) -> T:
    """What ``ask`` says, which asks for ``path`` alone. Raises what it raises, and StorageTimeout after so many seconds.

    With endless patience it is asked here and now, by no other thread.
    """
    if seconds == inf:
        return ask()
    seconds = patience_with(path, seconds)
    errand = Errand(ask)
    if not errand.wait(seconds):
        errand.give_up(path)
        raise StorageTimeout(f"no answer within {seconds:g} s", path=path)
    answer: T = errand.answer()
    return answer


def real_path(path: str, seconds: float = PATIENCE) -> str:
    """``path`` without symlinks. Raises StorageTimeout after so many ``seconds``, ValueError for a NUL."""
    return within(seconds, path, lambda: os.path.realpath(path))


def patience_with(path: str, seconds: float) -> float:
    """The ``seconds`` to wait for ``path``, or fewer: a host of a hundred disks on one dead server is told of in seconds."""
    if _open_questions and _mount_point(path) in _open_questions.values():
        return min(seconds, _LITTLE_PATIENCE)
    return seconds


def left_behind() -> bool:
    """Whether a thread still waits for an answer, so that the process has to end by :func:`os._exit`."""
    return bool(_running)


def _mount_point(path: str) -> str:
    """The mount that ``path`` is on, by the letters of the path: asking the file system could take for ever."""
    path = os.path.abspath(path) + "/"
    found = "/"
    with open("/proc/self/mountinfo", "rb") as mounts:
        for line in mounts:
            # A blank in it is written \040, a backslash \134 …
            point = os.fsdecode(line.split()[_MOUNT_POINT].decode("unicode_escape").encode("latin-1"))
            if len(point) > len(found) and path.startswith(point + "/"):
                found = point
    return found
