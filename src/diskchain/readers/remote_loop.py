"""One event loop in a thread of its own, for readers whose libraries are asynchronous. Knows no protocol.

Started when first needed; a daemon thread, so that it keeps no process alive.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        if not _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="diskchain-readers", daemon=True).start()
            _loops.append(loop)
        return _loops[0]


def wait_for(work: Coroutine[Any, Any, T], seconds: float) -> T:
    """The result of ``work``, run on the loop. Raises TimeoutError after so many seconds; then ``work`` is cancelled."""
    return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), _loop()).result()


def on_a_lasting_thread(work: Callable[[], T]) -> T:
    """The result of ``work``, done by the main thread if that is ours, else by the loop's: both last as long as the process.

    The kernel ties some things to the thread that asked for them, such as the signal a child gets when its parent dies.
    """
    if threading.current_thread() is threading.main_thread():
        return work()

    async def do() -> T:
        return work()

    return asyncio.run_coroutine_threadsafe(do(), _loop()).result()
