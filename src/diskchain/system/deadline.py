"""Ask storage on this host, and wait no longer than a deadline for the answer. Knows no question in particular.

A file on a server that is gone, or of a FUSE daemon that stopped, holds whoever asks for it inside the kernel, where no signal but
SIGKILL reaches. So a worker, one thread that lasts, asks every question; it is left behind when it gets no answer, and another takes
its place. A process that has left one behind ends by :func:`os._exit`. Built on ``_thread``: the threading module would wait for the
thread at the end, and takes a millisecond to import.
"""

import _signal  # type: ignore[import-not-found]  # the signal module takes a millisecond to import, and makes enums of numbers
import os
from _thread import allocate_lock, get_native_id, start_new_thread
from collections.abc import Callable
from math import inf
from time import sleep
from typing import Any, Final, TypeVar

from diskchain.errors import StorageError, StorageTimeout

T = TypeVar("T")

#: Seconds for one answer, unless told otherwise.
DEFAULT_DEADLINE: Final = 5.0
#: Seconds for one answer from a mount where another question is still open.
SHORT_DEADLINE: Final = 0.1
#: Open questions on one mount from which on it is asked nothing more: each holds a thread.
MOST_OPEN: Final = 64
_ENDS_WITHIN: Final = 1000  # looks at a thread that has nothing left to do but end …
_INSTANT: Final = 1e-4  # … and seconds between them

#: What the main thread alone gets: where it puts them off, another thread would take them, and the process would end there and then.
_MAIN_GETS: Final = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)

#: Workers that wait for a question.
_idle: list["_Worker"] = []
_running: set["Question"] = set()
#: Questions that are open and that nobody waits for any more: the path each is held up by, and its mount point.
_open_questions: dict["Question", tuple[str, str]] = {}
#: Where something was mounted when the last of them was left behind.
_mount_points: frozenset[str] = frozenset()


class Question:
    """Something to ask of ``path``: ``ask`` asks it, in a worker, at once. Raises StorageError when there can be no thread for it."""

    def __init__(self, path: str, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._answer: Any = None
        self._error: BaseException | None = None
        self._busy = allocate_lock()
        self._busy.acquire()
        _running.add(self)
        try:
            worker = _idle.pop()
        except IndexError:
            try:
                worker = _Worker()
            except RuntimeError as error:
                _running.discard(self)
                raise StorageError("cannot be asked: no thread can be started", path=path) from error
        worker.take(self)

    def run(self) -> None:
        """Ask. For the worker."""
        try:
            self._answer = self._ask()
        except BaseException as error:  # noqa: BLE001  # raised again where the answer is waited for
            self._error = error
        finally:
            _running.discard(self)
            _open_questions.pop(self, None)

    def answered(self) -> None:
        """Let those go on who wait. For the worker."""
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
        """Leave it behind, open, held up by ``path``. As long as it is, the deadline there is a short one."""
        global _mount_points  # noqa: PLW0603  # read once for all questions there will be
        from diskchain.system.mounts import mount_points

        _mount_points = mount_points()
        _open_questions[self] = path, _mount_point(path)
        if self not in _running:
            _open_questions.pop(self, None)


class _Worker:
    """A thread that asks what it is handed."""

    def __init__(self) -> None:
        self.thread = 0
        self._question: Question | None = None
        self._handed = allocate_lock()
        self._handed.acquire()
        without_signals(lambda: start_new_thread(self._serve, ()))

    def take(self, question: Question | None) -> None:
        """Ask ``question``; None: end."""
        self._question = question
        self._handed.release()

    def _serve(self) -> None:
        self.thread = get_native_id()
        while True:
            self._handed.acquire()
            question, self._question = self._question, None
            if question is None:
                return
            question.run()
            replaced = bool(_idle)  # it was held up for long, and another took its place
            if not replaced:
                _idle.append(self)
            question.answered()
            del question
            if replaced:
                return


def without_signals(start: Callable[[], object]) -> None:
    """Call ``start``, which starts a thread: no signal that ends the process comes to that one."""
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, _MAIN_GETS)
    try:
        start()
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def within(seconds: float, path: str, ask: Callable[[], T]) -> T:
    """What ``ask`` says, which asks for ``path`` alone. Raises what it raises, and StorageTimeout after so many seconds.

    Without a deadline (``inf``) it is asked here and now, by no other thread.
    """
    if seconds == inf:
        return ask()
    seconds = deadline_for(path, seconds)
    if seconds <= 0:
        raise StorageTimeout("not asked, as many other files of its mount do not answer", path=path)
    question = Question(path, ask)
    if not question.wait(seconds):
        question.give_up(path)
        raise StorageTimeout(f"no answer within {seconds:g} s", path=path)
    answer: T = question.answer()
    return answer


def deadline_for(path: str, seconds: float) -> float:
    """The ``seconds`` to wait for ``path``, or fewer: a host of a hundred disks on one dead server is told of in seconds.

    0 where so many questions are open that another is not asked.
    """
    if not _open_questions:
        return seconds
    mount = _mount_point(path)
    count = sum(point == mount for _, point in list(_open_questions.values()))
    # A symlink on the root that leads to another mount counts for the root, by its letters, and says nothing about it.
    if count >= MOST_OPEN and mount != "/":
        return 0.0
    return min(seconds, SHORT_DEADLINE) if count else seconds


def is_open(path: str) -> bool:
    """Whether a question that nobody waits for any more is held up by ``path``, or by so many others on its mount."""
    held = [known for known, _ in list(_open_questions.values())]
    return path in held or (len(held) >= MOST_OPEN and deadline_for(path, inf) == 0)


def left_behind() -> bool:
    """Whether a thread still waits for an answer, so that the process has to end by :func:`os._exit`."""
    return bool(_running)


def _mount_point(path: str) -> str:
    from diskchain.system.mounts import mount_point

    return mount_point(path, _mount_points)


def _dismiss() -> None:
    """End the idle workers, before a fork: a child of a process with threads has the locks they held, and nobody to release them."""
    while True:
        try:
            worker = _idle.pop()
        except IndexError:
            return
        worker.take(None)
        for _ in range(_ENDS_WITHIN):
            if worker.thread and not os.path.exists(f"/proc/self/task/{worker.thread}"):
                break
            sleep(_INSTANT)  # it takes the interpreter's lock once more


def _forget() -> None:
    """Be without workers and questions, as a child is after a fork: threads are not inherited."""
    for known in (_idle, _running, _open_questions):
        known.clear()


os.register_at_fork(before=_dismiss, after_in_child=_forget)
