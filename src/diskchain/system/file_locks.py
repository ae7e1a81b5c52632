"""Locks on byte ranges of a file that belong to an open file (OFD locks), fcntl(2): asked about, and taken.

Asking takes no lock and disturbs nobody. A lock is gone with the last descriptor of its open file, however a process ends. Knows nothing
of what a locked byte means.
"""

import fcntl
import os
import struct
from typing import Final

# struct flock: l_type, l_whence, l_start, l_len, l_pid
_FLOCK: Final = struct.Struct("hhqqi4x")


def is_locked(descriptor: int, offset: int) -> bool:
    """Whether another open file holds a lock on the byte at ``offset`` of an open file. False where a file system has no locks."""
    question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0)
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, question)
    except OSError:
        return False
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def take_lock(descriptor: int, offset: int, *, exclusive: bool) -> bool:
    """Lock the byte at ``offset`` for this open file; False where another open file holds a lock that conflicts. Raises OSError.

    ``exclusive`` needs a descriptor that may write.
    """
    kind = fcntl.F_WRLCK if exclusive else fcntl.F_RDLCK
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, offset, 1, 0))
    except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, by system
        return False
    return True
