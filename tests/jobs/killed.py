"""Runs diskchain and kills it with SIGKILL at one write of the journal: ``python -m tests.jobs.killed WHEN NUMBER words…``.

``WHEN`` is ``before`` or ``after``; ``count`` kills nothing and prints how many writes there were. Between two writes of the journal at most
one thing is done to files, so these are the instants at which what is known and what is done differ.
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

from diskchain.cli.main import main
from diskchain.jobs.journal import JobJournal

_write: Callable[..., Any] = JobJournal._write  # the journal's one way to write
_writes = 0


def _counted(journal: JobJournal, change: Callable[[sqlite3.Connection], Any]) -> Any:
    global _writes  # noqa: PLW0603 - one process, one run
    _writes += 1
    when, number = sys.argv[1], int(sys.argv[2])
    if when == "before" and _writes == number:
        os.kill(os.getpid(), signal.SIGKILL)
    done = _write(journal, change)
    if when == "after" and _writes == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return done


if __name__ == "__main__":
    JobJournal._write = _counted  # type: ignore[method-assign,assignment]
    code = main(sys.argv[3:])
    if sys.argv[1] == "count":
        sys.stdout.write(f"{_writes}\n")
    sys.exit(code)
