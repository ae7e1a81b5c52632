"""A file for a FUSE export to appear in: made if need be, and as it was afterwards, even when the exporter was killed."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from stat import S_ISREG
from typing import Final

from diskchain.errors import StorageError, UsageError

#: ``<sys/mount.h>``
_MNT_DETACH: Final = 2
_MOUNT_POINT_FIELD: Final = 4  # proc(5), /proc/PID/mountinfo, counted from 0
_UNMOUNT_SECONDS: Final = 10


@contextmanager
def mount_point(path: str) -> Iterator[tuple[str, bool]]:
    """The absolute path of a regular file, and whether it is ours, made for this and empty.

    Raises UsageError for anything else, StorageError.
    """
    real = os.path.realpath(path)
    ours = False
    try:
        if not os.path.lexists(real):
            os.close(os.open(real, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            ours = True
        elif not S_ISREG(os.stat(real).st_mode):
            raise UsageError(f"{path} is no regular file, so nothing can be shown in it")
    except OSError as error:
        raise StorageError(f"nothing can be shown in it: {error.strerror}", path=path) from error
    try:
        yield real, ours
    finally:
        unmount(real)
        if ours:
            with suppress(FileNotFoundError):
                os.unlink(real)


def unmount(path: str) -> None:
    """Take away what is mounted at ``path``, if anything is, without waiting for whoever uses it."""
    if _is_mounted(path):
        _unmount(path)


def _is_mounted(path: str) -> bool:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        return any(_unescaped(line.split()[_MOUNT_POINT_FIELD]) == path for line in mounts)


def _unescaped(field: str) -> str:
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(escape, character)
    return field


def _unmount(path: str) -> None:
    if ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(path), _MNT_DETACH) != 0:
        with suppress(OSError, subprocess.SubprocessError):  # not root: FUSE's helper may do it for us
            subprocess.run(  # noqa: S603 (fixed words and a path, no shell)
                ["fusermount3", "-u", "-z", "--", path],  # noqa: S607 (wherever the distribution has it)
                check=False,
                timeout=_UNMOUNT_SECONDS,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
