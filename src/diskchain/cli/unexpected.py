"""What to say of an exception that is none of diskchain's errors: what the operating system refused, or where a mistake of ours is."""

import errno
import os
from typing import Final

_OUTPUT: Final = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG, errno.EBADF, errno.EPIPE)


def what_happened(error: Exception) -> str:
    """One line, not yet fit for a terminal."""
    return _of_host(error) if isinstance(error, OSError) else _of_ours(error)


def is_about_output(error: Exception) -> bool:
    """Whether standard output cannot be written, so that nothing more can be said there."""
    return isinstance(error, OSError) and error.filename is None and error.errno in _OUTPUT


def path_of(error: OSError) -> str | None:
    """The file that the operating system refused."""
    return os.fsdecode(error.filename) if isinstance(error.filename, bytes | str) else None


def _of_host(error: OSError) -> str:
    """What the operating system refused, and of what."""
    reason = error.strerror or "the operating system refused something"
    reason = f"{reason[:1].lower()}{reason[1:]}"
    path = path_of(error)
    if path is not None:
        return f"{path}: {reason}"
    try:
        os.getcwd()
    except OSError:
        return "the working directory was deleted, and a name is relative to it"
    if is_about_output(error):
        return f"cannot write the output: {reason}"
    return reason


def _of_ours(error: Exception) -> str:
    """A mistake of diskchain's own: where it came up, for whoever is to mend it."""
    trace = error.__traceback__
    place = "?"
    while trace is not None:
        code = trace.tb_frame.f_code
        _, package, file = code.co_filename.rpartition("/diskchain/")
        place = f"{file}:{trace.tb_lineno}" if package else place
        trace = trace.tb_next
    said = str(error) or "no more is known"
    return f"this is a bug of diskchain ({place}): {said}; DISKCHAIN_TRACEBACK=1 shows more"
