"""``diskchain`` and ``python -m diskchain``: the process, from its first moment to its last.

Whatever happens ends in one line and an exit code, never in a traceback: Ctrl-C while modules load (so nothing but two numbers is
imported outside the ``try``), a reader that has gone, a full disk, standard descriptors that are closed, a working directory that was
deleted, and a mistake of diskchain's own: that one says so. ``DISKCHAIN_TRACEBACK=1`` shows where that came from.
"""

import os
import sys

from diskchain.report.exit_codes import COULD_NOT_TELL, INTERRUPTED

TYPE_CHECKING = False  # what typing's is to type checkers
if TYPE_CHECKING:
    from typing import NoReturn


def entry() -> "NoReturn":
    """The console script."""
    try:
        if None in (sys.stdin, sys.stdout, sys.stderr):
            _fill_closed_descriptors()
        if sys.argv[1:2] == ["open"]:
            _end_at_once_by_ctrl_c()
        code = _run()
    except KeyboardInterrupt:
        code = INTERRUPTED
        _let_out()
    except BrokenPipeError:
        _drop(1)
        code = 0
    except OSError as error:
        _drop(1)
        _say(error)
        code = COULD_NOT_TELL
    except Exception as error:  # nothing is above this: a user gets a line, and not a traceback
        if os.environ.get("DISKCHAIN_TRACEBACK") == "1":
            raise
        _say(error)
        code = COULD_NOT_TELL
    if _nothing_waits_for_the_end():
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run() -> int:
    from diskchain.cli.main import main
    from diskchain.system.terminal import guard_output

    guard_output()
    try:
        code = main(sys.argv[1:])
    except SystemExit as end:  # argparse's, after help and usage mistakes
        code = end.code if isinstance(end.code, int) else 0
    sys.stdout.flush()
    return code


def _end_at_once_by_ctrl_c() -> None:
    """Until the verb has handlers of its own. Python's raises, and while modules load, callbacks that let nothing out may swallow that."""
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _fill_closed_descriptors() -> None:
    """Let no image become descriptor 0, 1 or 2.

    What is read from or written to one that was closed fails, as it should; stderr does not.
    """
    for number, name, flags in ((0, "stdin", os.O_WRONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            got = os.open(os.devnull, flags)
            if got != number:
                os.dup2(got, number)
                os.close(got)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115  # to the end


def _let_out() -> None:
    """Let go out what was printed before an interruption. A second one ends that."""
    try:
        sys.stdout.flush()
    except (OSError, KeyboardInterrupt):
        _drop(1)


def _drop(number: int) -> None:
    """Let what is still to be written to a descriptor go nowhere, or Python complains about it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _say(error: Exception) -> None:
    from diskchain.cli.unexpected import what_happened
    from diskchain.errors import printable

    try:
        sys.stderr.write(f"diskchain: {printable(what_happened(error))}\n")
    except OSError:
        _drop(2)  # the exit code has to do


def _nothing_waits_for_the_end() -> bool:
    """Whether the process may end at once: it must if a thread is left behind, and else Python takes 3 ms to free all it has."""
    deadline = sys.modules.get("diskchain.system.deadline")
    if deadline is not None and deadline.left_behind():
        return True
    return "atexit" not in sys.modules and "threading" not in sys.modules


if __name__ == "__main__":
    entry()
