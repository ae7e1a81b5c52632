"""One event loop in a thread of its own, for readers whose libraries are asynchronous. Knows no protocol.

Started when first needed; a daemon thread, so that it keeps no process alive.
"""

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from diskchain.system.deadline import without_signals

T = TypeVar("T")

_lock = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []
_interrupted = threading.Event()
#: Tasks somebody waits for. The loop's thread alone touches them.
_waited_for: set[asyncio.Task[Any]] = set()


os.register_at_fork(after_in_child=_loops.clear)  # its thread is not inherited


class Interrupted(BaseException):
    """:func:`interrupt` was called while somebody waited."""


def _loop() -> asyncio.AbstractEventLoop:
    """Raises OSError."""
    with _lock:
        if not _loops:
            loop = asyncio.new_event_loop()
            try:
                thread = threading.Thread(target=loop.run_forever, name="diskchain-readers", daemon=True)
                without_signals(thread.start)
            except RuntimeError as error:
                loop.close()
                raise OSError(errno.EAGAIN, "no thread can be started for it") from error
            _loops.append(loop)
        return _loops[0]


def wait_for(work: Coroutine[Any, Any, T], seconds: float, *, whatever: bool = False) -> T:
    """The result of ``work``, run on the loop. Raises TimeoutError after so many seconds; then ``work`` is cancelled.

    Raises Interrupted, too, unless it has to be waited for ``whatever`` comes; OSError when there can be no loop.
    """
    try:
        loop = _loop()
    except OSError:
        work.close()
        raise
    if whatever:
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), loop).result()
    if _interrupted.is_set():
        work.close()
        raise Interrupted
    try:
        return asyncio.run_coroutine_threadsafe(_bounded(work, seconds), loop).result()
    except CancelledError:
        raise Interrupted from None


async def _bounded(work: Coroutine[Any, Any, T], seconds: float) -> T:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 (a coroutine runs in one)
    _waited_for.add(task)
    try:
        return await asyncio.wait_for(work, seconds)
    finally:
        _waited_for.discard(task)


def interrupt() -> None:
    """Have all who wait give up, and all who would from now on. For signal handlers."""
    _interrupted.set()
    for loop in _loops:
        loop.call_soon_threadsafe(_give_up)


def carry_on() -> None:
    """Wait again from now on."""
    _interrupted.clear()


def _give_up() -> None:
    for task in [*_waited_for] if _interrupted.is_set() else ():
        task.cancel()


def on_a_lasting_thread(work: Callable[[], T]) -> T:
    """The result of ``work``, done by the loop's thread, which lasts as long as the process.

    The kernel ties some things to the thread that asked for them, such as the signal a child gets when its parent dies.
    """
    future: Future[T] = Future()

    def do() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  # raised again where somebody waits for the result
            future.set_exception(error)

    _loop().call_soon_threadsafe(do)
    return future.result()
