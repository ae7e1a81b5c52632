"""Children that do not outlive us, however we die: the kernel ends them. Linux only. Source: prctl(2), ``PR_SET_PDEATHSIG``.

It counts the death of the *thread* that started the child: start it from one that lasts. A set-user-ID program forgets it.
"""

import os
import signal
from collections.abc import Callable

from diskchain.system.libc import PR_SET_PDEATHSIG, prctl_function


def die_with_parent() -> Callable[[], None]:
    """What a child calls between fork and exec, so that it gets SIGTERM when we die, whatever signals our thread holds back."""
    prctl = prctl_function()
    parent = os.getpid()

    def before_exec() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a lasting thread takes none, and children inherit that
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # dead already, and nobody would tell
            os.kill(os.getpid(), signal.SIGKILL)

    return before_exec
