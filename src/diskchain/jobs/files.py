"""What a job does to files besides copying: make one, delete one, have a file's data and its name on the disk. Each can be done again.

A file that is to be made is made empty first, where nothing had its name; so what is there afterwards is ours, or it is refused.
"""

import os
import stat
from contextlib import suppress

from diskchain.errors import StorageError
from diskchain.jobs.evidence import Head, look, same_file
from diskchain.jobs.plan import NewFile, SeenFile
from diskchain.qemu.images import create
from diskchain.readers.local import storage_error


def claim(path: str, like: str) -> Head:
    """Make an empty file ``path`` with the owner, group and mode of ``like``. Raises StorageError, also where something has the name."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _take_rights(descriptor, like)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise storage_error(error, path) from error
    sync_directory(path)
    return look(path)


def _take_rights(descriptor: int, like: str) -> None:
    pattern = os.stat(like)
    if not stat.S_ISREG(pattern.st_mode):
        return
    with suppress(PermissionError):  # its maker's file then, as with qemu-img
        os.fchown(descriptor, pattern.st_uid, pattern.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(pattern.st_mode) & 0o777)


def is_empty_file(path: str) -> bool:
    """Whether ``path`` is a file with nothing in it: all that a job leaves that died while it made the file."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == 0


def fill(new: NewFile) -> None:
    """Make an image in a file that was claimed. Raises ImageToolFailed, StorageError."""
    backing = None
    if new.backing is not None:
        backing = (new.backing, new.backing_format or "raw")
    create(new.path, str(new.format), new.capacity, backing=backing, options=new.options)
    sync(new.path)


def sync(path: str) -> None:
    """Have the data of a file or device on the disk. Raises StorageError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise storage_error(error, path) from error


def sync_directory(path: str) -> None:
    """Have the name ``path`` on the disk, or that it is gone. Not every file system can."""
    with suppress(OSError):
        descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def delete(path: str, expected: SeenFile) -> bool:
    """Delete the file ``path``, if it still is the ``expected`` one; False where another file has its name now. Gone already is fine.

    Raises StorageError.
    """
    try:
        now = look(path)
    except StorageError:
        if os.path.lexists(path):
            raise
        return True
    if not same_file(now.seen, expected):
        return False
    try:
        os.unlink(path)
    except OSError as error:
        raise storage_error(error, path) from error
    sync_directory(path)
    return True


def put_back(path: str, cluster: bytes) -> None:
    """Write an old first cluster over a torn one. Raises StorageError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, cluster, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise storage_error(error, path) from error
