"""System calls that the standard library lacks, by the C library that is loaded anyway. The bindings and nothing more.

What their answers mean is for the callers to know. Each raises OSError, with ENOSYS where the library has no such function.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from functools import cache
from typing import Any, Final

#: ``<fcntl.h>``
AT_EMPTY_PATH: Final = 0x1000
AT_NO_AUTOMOUNT: Final = 0x800
#: ``<sys/mount.h>``
MNT_DETACH: Final = 2
UMOUNT_NOFOLLOW: Final = 8
#: ``<linux/prctl.h>``
PR_SET_PDEATHSIG: Final = 1

_STATX_SIZE: Final = 256  # struct statx, <linux/stat.h>
_INT, _UINT, _TEXT, _BUFFER, _ULONG = ctypes.c_int, ctypes.c_uint, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_ulong
_ARGUMENTS: Final[dict[str, tuple[Any, ...]]] = {
    "name_to_handle_at": (_INT, _TEXT, _BUFFER, _BUFFER, _INT),
    "open_by_handle_at": (_INT, _BUFFER, _INT),
    "prctl": (_INT, _ULONG),
    "statx": (_INT, _TEXT, _INT, _UINT, _BUFFER),
    "umount2": (_TEXT, _INT),
}


@cache
def _library() -> Any:
    return ctypes.CDLL(None, use_errno=True)


@cache
def _function(name: str) -> Callable[..., int]:
    """Raises OSError where there is none."""
    try:
        function = getattr(_library(), name)
    except AttributeError:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
    function.argtypes = _ARGUMENTS[name]
    function.restype = _INT

    def call(*arguments: Any) -> int:
        result: int = function(*arguments)
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result

    return call


def statx(descriptor: int, mask: int) -> bytes:
    """The ``struct statx`` of an open file; nothing is mounted for it."""
    buffer = ctypes.create_string_buffer(_STATX_SIZE)
    _function("statx")(descriptor, b"", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, mask, buffer)
    return buffer.raw


def name_to_handle_at(descriptor: int, handle: bytes) -> bytes:
    """``handle``, a ``struct file_handle`` with room, filled in for an open file."""
    buffer, mount_id = ctypes.create_string_buffer(handle, len(handle)), ctypes.c_int()
    _function("name_to_handle_at")(descriptor, b"", buffer, ctypes.byref(mount_id), AT_EMPTY_PATH)
    return buffer.raw


def open_by_handle_at(mount: int, handle: bytes, flags: int) -> int:
    """A descriptor of what ``handle`` is of; ``mount``: a descriptor of anything on its file system."""
    return _function("open_by_handle_at")(mount, ctypes.create_string_buffer(handle, len(handle)), flags)


def umount2(path: str, flags: int) -> None:
    """Take away the mount at ``path``."""
    _function("umount2")(os.fsencode(path), flags)


def prctl_function() -> Callable[[int, int], int]:
    """prctl(2), loaded here and now: between fork and exec nothing may be."""
    return _function("prctl")
