"""Signals that end a command in good order, whenever they come. Knows signals; must not know what is torn down.

A handler that raises would do so in the middle of anything, a lock half taken or a callback that lets nothing out included. So at first,
while nothing has been begun, it ends the process at once; from then on it takes a note, and has those who wait give up.
"""

import os
import signal
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final

#: What ends us in good order.
ENDING: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
#: What a shell says of a process that a signal ended.
SIGNALLED: Final = 128


class Ending:
    """``interrupt`` has whoever waits give up, now and from now on, until ``carry_on``."""

    def __init__(self, interrupt: Callable[[], None], carry_on: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._carry_on = carry_on
        self._begun = False
        self._terminal = _terminal()
        self._held = False
        self._seen: int | None = None

    def begin(self) -> None:
        """From now on there is something to tear down."""
        self._begun = True

    def check(self) -> None:
        """Raise SystemExit if a signal came."""
        if self._seen is not None:
            raise SystemExit(SIGNALLED + self._seen)

    def forget_terminal(self) -> None:
        """Close what was opened to look at it."""
        terminal, self._terminal = self._terminal, None
        if terminal is not None:
            os.close(terminal[0])

    def hold(self) -> None:
        """From now on no signal changes anything any more: the end has begun."""
        self._held = True
        self._carry_on()

    def noted(self, number: int, _frame: FrameType | None) -> None:
        """The handler."""
        if self._held:
            return
        if not self._begun:
            _set_terminal(self._terminal)  # somebody may be typing a passphrase, unseen
            os._exit(SIGNALLED + number)
        self._seen = self._seen or number
        self._interrupt()


#: A terminal's file descriptor and its settings.
_Terminal = tuple[int, list[Any]] | None


def _terminal() -> _Terminal:
    """The terminal as it is now; None without one."""
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return descriptor, termios.tcgetattr(descriptor)
    except termios.error:
        os.close(descriptor)
        return None


def _set_terminal(terminal: _Terminal) -> None:
    if terminal is not None:
        with suppress(termios.error):
            termios.tcsetattr(terminal[0], termios.TCSANOW, terminal[1])


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
        ending.forget_terminal()
        for number, handler in before:
            signal.signal(number, handler)
