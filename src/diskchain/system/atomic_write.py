"""Put a document in the place of a file: all of it or nothing, under the old owner, mode, ACL and labels.

The new bytes go to a file beside the old one, which is renamed over it once they are on disk, unless somebody has changed the old one
by then: between that look and the renaming are a few microseconds, and no system call replaces a file only if it is still the same. Signals that would end the
process wait meanwhile, so that Ctrl-C leaves either the old document or the new one, and never a third file. Only storage that does
not answer may: whether the name was given, and what is beside it, cannot be known then.
"""

import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

from diskchain.errors import NotStorage, StorageError, StorageTimeout, UsageError
from diskchain.system.deadline import DEFAULT_DEADLINE, within
from diskchain.system.paths import real_path

T = TypeVar("T")

_HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def state_of(path: str, seconds: float = DEFAULT_DEADLINE) -> os.stat_result:
    """What identifies the present content of ``path``, for :func:`replace_file`. Raises StorageError, StorageTimeout."""
    try:
        return within(seconds, path, lambda: os.stat(path))
    except OSError as error:
        raise StorageError(error.strerror or str(error), path=path) from error


def replace_file(
    path: str, data: bytes, seen: os.stat_result, seconds: float = DEFAULT_DEADLINE, *, beside: str | None = None
) -> int:
    """Give the regular file ``path`` (or what the symlink leads to) the content ``data``.

    ``seen`` is its :func:`state_of` from before the old content was read. ``beside``: the name that the new bytes have first, for a caller
    who removes after a kill what :func:`remove_beside` says; else a random one. Returns how many other names (hard links) the file has: they
    keep the old content. Raises UsageError when the file has changed since, which is asked again right before the new one takes its place,
    or when it would change its owner, StorageError when it cannot be replaced; then it is as it was. Raises StorageTimeout when there is
    no answer within so many ``seconds``; then it is as it was, or as it shall be.
    """
    with _as_storage_errors(path):
        real = real_path(path, seconds)
        now = within(seconds, real, lambda: os.stat(real))
        if not stat.S_ISREG(now.st_mode):
            raise NotStorage("not a regular file, so it cannot be replaced", path=path)
        _write_and_rename(real, data, now, seconds, unless_changed=(path, seen), beside=beside)
        return now.st_nlink - 1


def remove_beside(path: str, beside: str, seconds: float = DEFAULT_DEADLINE) -> None:
    """Remove what a :func:`replace_file` of ``path`` that was killed has left under the name ``beside``. Raises StorageError."""
    with _as_storage_errors(path), suppress(FileNotFoundError):
        real = real_path(path, seconds)
        within(seconds, real, lambda: os.unlink(os.path.join(os.path.dirname(real) or ".", beside)))


def write_file(path: str, data: bytes, seconds: float = DEFAULT_DEADLINE) -> None:
    """Write ``data`` to ``path``: ``-`` is stdout, a file is replaced or made, a pipe or device is written to.

    Raises as :func:`replace_file` does.
    """
    if path == "-":
        sys.stdout.buffer.write(data)
        return
    with _as_storage_errors(path):
        real = real_path(path, seconds)
        try:
            now = within(seconds, real, lambda: os.stat(path))
        except FileNotFoundError:
            _write_and_rename(real, data, None, seconds)
            return
        if stat.S_ISREG(now.st_mode):
            _write_and_rename(real, data, now, seconds)
            return
        with open(path, "wb", buffering=0) as stream:
            _write_all(stream.fileno(), data)


def _version(state: os.stat_result) -> tuple[int, ...]:
    # The time of the last change of the inode, too: whoever sets the time of the content back (touch, cp -p, rsync) changes that one.
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def _check_unchanged(path: str, real: str, seen: os.stat_result) -> None:
    """Raise UsageError when ``real`` is not what was ``seen`` any more."""
    try:
        same = _version(os.stat(real)) == _version(seen)
    except FileNotFoundError:
        same = False
    if not same:
        raise UsageError(f"{path} has changed since it was read; nothing was written")


def _write_and_rename(
    real: str,
    data: bytes,
    old: os.stat_result | None,
    seconds: float,
    unless_changed: tuple[str, os.stat_result] | None = None,
    beside: str | None = None,
) -> None:
    """``unless_changed``: the file's name for people, and what it must still be."""

    def check() -> None:
        if unless_changed is not None:
            ask(lambda: _check_unchanged(unless_changed[0], real, unless_changed[1]))

    def ask(step: Callable[[], T]) -> T:
        return within(seconds, real, step)

    directory = os.path.dirname(real) or "."
    beside = os.path.join(directory, beside or f".diskchain-{os.urandom(8).hex()}")
    with _signals_held():
        check()
        try:
            mode = 0o600 if old else 0o666  # a new file gets what the umask or the directory's default ACL leave
            descriptor = ask(lambda: os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
            silent = False
            try:
                if old is not None:
                    ask(partial(_take_over, descriptor, real, old))
                ask(lambda: _write_all(descriptor, data))
                ask(lambda: os.fsync(descriptor))
            except StorageTimeout:
                silent = True
                raise
            finally:
                if not silent:  # else somebody still waits at the descriptor, whose number must mean no other file
                    ask(lambda: os.close(descriptor))
            check()
            ask(lambda: os.rename(beside, real))
        except BaseException:
            with suppress(FileNotFoundError, StorageTimeout):
                ask(lambda: os.unlink(beside))
            raise
        with suppress(StorageTimeout):
            ask(lambda: _sync_directory(directory))


def _take_over(descriptor: int, real: str, old: os.stat_result) -> None:
    """Owner and mode of the old file, or an error; its extended attributes (ACL, labels) as far as we may."""
    made = os.fstat(descriptor)
    if (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.fchown(descriptor, old.st_uid, old.st_gid)
        except PermissionError as error:
            raise UsageError(f"{real} belongs to someone else, and replacing it would change that; use -o") from error
    attributes = _attributes(real)
    for name in attributes | _attributes(descriptor):
        with suppress(OSError):
            if name in attributes:
                os.setxattr(descriptor, name, os.getxattr(real, name))
            else:
                os.removexattr(descriptor, name)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _attributes(file: str | int) -> set[str]:
    try:
        return set(os.listxattr(file))
    except OSError:  # a file system without any
        return set()


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_directory(directory: str) -> None:
    """Make the renaming last. Not every file system can; the document is in place all the same."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _signals_held() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _as_storage_errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror or error}", path=path) from error
