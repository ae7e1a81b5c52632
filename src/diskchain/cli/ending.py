"""Signals that end a command in good order, whenever they come. Knows signals; must not know what is torn down.

A handler that raises would do so in the middle of anything, a lock half taken included. So it raises only at first, while nothing
has been begun; from then on it takes a note, and has those who wait give up.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

#: What ends us in good order.
ENDING: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
#: What a shell says of a process that a signal ended.
SIGNALLED: Final = 128


class Ending:
    """``interrupt`` has whoever waits give up, now and from now on, until ``carry_on``."""

    def __init__(self, interrupt: Callable[[], None], carry_on: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._carry_on = carry_on
        self._raising = True
        self._held = False
        self._seen: int | None = None

    def begin(self) -> None:
        """From now on there is something to tear down. Raises SystemExit if a signal came."""
        self._raising = False
        self.check()

    def check(self) -> None:
        """Raise SystemExit if a signal came."""
        if self._seen is not None:
            raise SystemExit(SIGNALLED + self._seen)

    def hold(self) -> None:
        """From now on no signal changes anything any more: the end has begun."""
        self._held = True
        self._carry_on()

    def noted(self, number: int, _frame: FrameType | None) -> None:
        """The handler."""
        if self._held:
            return
        self._seen = self._seen or number
        if self._raising:
            raise SystemExit(SIGNALLED + number)
        self._interrupt()


@contextmanager
def ended_by_signals(interrupt: Callable[[], None], carry_on: Callable[[], None]) -> Iterator[Ending]:
    """Within, SIGTERM, SIGHUP and SIGINT end things. A signal that is ignored, as nohup(1) has it, stays ignored."""
    ending = Ending(interrupt, carry_on)
    before = [(each, signal.getsignal(each)) for each in ENDING]
    try:
        for number, handler in before:
            if handler is not signal.SIG_IGN:
                signal.signal(number, ending.noted)
        yield ending
    finally:
        for number, handler in before:
            signal.signal(number, handler)
