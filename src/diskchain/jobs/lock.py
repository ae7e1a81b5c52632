"""A kernel lock on each file of a job, so that two processes never work on one chain.

It is a lock on a byte of the image itself that belongs to the open file: whoever has another name for the file meets it, whatever state
directory they use, and it is gone with the process. QEMU's own locks are on other bytes (100 to 163 and 200 to 263). Files that only are
read are locked shared: two jobs may read one base.
"""

import os
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from diskchain.errors import UsageError, printable
from diskchain.readers.local import storage_error
from diskchain.system.deadline import DEFAULT_DEADLINE, within
from diskchain.system.file_locks import take_lock
from diskchain.system.open_files import OpenFiles

_BYTE: Final = 400


class Busy(UsageError):
    """Another process is at work on a file of the job. ``path`` is the file."""

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(f"{printable(path)} is being changed by another diskchain job: {holder}")
        self.path = path


class ChainLock:
    """The locks of one job. Use as a context manager.

    ``written``: files that change, which must be writable; ``read``: files that must not change. Raises Busy, StorageError.
    """

    def __init__(self, written: Iterable[str], read: Iterable[str], seconds: float = DEFAULT_DEADLINE) -> None:
        wanted = dict.fromkeys(read, False) | dict.fromkeys(written, True)
        self._wanted = sorted(wanted.items())
        self._seconds = seconds
        self._taken: dict[str, int] = {}

    def __enter__(self) -> Self:
        try:
            for path, exclusive in self._wanted:
                self.add(path, exclusive=exclusive)
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def add(self, path: str, *, exclusive: bool) -> None:
        """One more file; one that is locked already stays so. Raises Busy, StorageError."""
        if path in self._taken:
            return
        descriptor = within(self._seconds, path, lambda: _taken(path, exclusive=exclusive))
        if descriptor is None:
            holders = OpenFiles().holders(path)
            raise Busy(path, ", ".join(holders) or "a process of another user")
        self._taken[path] = descriptor

    def release(self) -> None:
        """Let go of all. Harmless when repeated."""
        taken, self._taken = self._taken, {}
        for descriptor in taken.values():
            os.close(descriptor)


def _taken(path: str, *, exclusive: bool) -> int | None:
    try:
        flags = (os.O_RDWR if exclusive else os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path, flags)
    except OSError as error:
        raise storage_error(error, path) from error
    try:
        if take_lock(descriptor, _BYTE, exclusive=exclusive):
            return descriptor
    except OSError as error:
        os.close(descriptor)
        raise storage_error(error, path) from error
    os.close(descriptor)
    return None
