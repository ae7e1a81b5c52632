"""How direct I/O (O_DIRECT) on an open file has to be aligned: asked of the kernel as QEMU asks, by reading.

Source: QEMU 7.2 ``block/file-posix.c`` (``raw_probe_alignment``); open(2), "O_DIRECT"; xfsctl(3), XFS_IOC_DIOINFO.
"""

import errno
import fcntl
import mmap
import os
import struct
from typing import Final

_XFS_IOC_DIOINFO: Final = 0x800C581E
#: struct dioattr: alignment of memory, smallest and largest I/O
_DIOATTR: Final = struct.Struct("III")
_LENGTHS: Final = (1, 512, 1024, 2048, 4096)
_LARGEST: Final = 4096  # MAX_BLOCKSIZE


def request_alignment(descriptor: int) -> int | None:
    """The bytes that QEMU takes for the smallest direct I/O on a file open for reading; None where it has none, or nobody can tell."""
    try:
        direct = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_DIRECT | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _of_xfs(direct) or _by_reading(direct)
    finally:
        os.close(direct)


def _of_xfs(direct: int) -> int | None:
    try:
        return int(_DIOATTR.unpack(fcntl.ioctl(direct, _XFS_IOC_DIOINFO, bytes(_DIOATTR.size)))[1])
    except OSError:
        return None


def _by_reading(direct: int) -> int | None:
    """The first length that can be read. Where that is one byte, as in a hole on some file systems, QEMU is on the safe side."""
    with mmap.mmap(-1, _LARGEST) as buffer, memoryview(buffer) as memory:
        for length in _LENGTHS:
            try:
                with memory[:length] as part:
                    os.preadv(direct, [part], 0)
            except OSError as error:
                if error.errno == errno.EINVAL:
                    continue
            return length if length > 1 else _LARGEST
    return None
