"""A file for a FUSE export to appear in: made if need be, and as it was afterwards, even when the exporter was killed."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from stat import S_ISREG
from typing import Final

from diskchain.errors import StorageError, UsageError
from diskchain.system.libc import MNT_DETACH, UMOUNT_NOFOLLOW, umount2
from diskchain.system.mounts import is_mount_point
from diskchain.system.paths import resolved_path

_UNMOUNT_SECONDS: Final = 10


@contextmanager
def mount_point(path: str) -> Iterator[tuple[str, bool]]:
    """The absolute path of a regular file, and whether it is ours, made for this and empty.

    Raises UsageError for anything else, StorageError.
    """
    real = resolved_path(path)
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
    try:
        umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW)
    except OSError:
        if not is_mount_point(path):
            return
        with suppress(OSError, subprocess.SubprocessError):  # not root: FUSE's helper may do it for us
            subprocess.run(  # noqa: S603 (fixed words and a path, no shell)
                ["fusermount3", "-u", "-z", "--", path],  # noqa: S607 (wherever the distribution has it)
                check=False,
                timeout=_UNMOUNT_SECONDS,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
