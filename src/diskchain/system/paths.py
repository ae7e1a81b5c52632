"""Paths made absolute, and without symlinks, where there may be no working directory and storage may not answer."""

import os

from diskchain.errors import StorageMissing
from diskchain.system.deadline import DEFAULT_DEADLINE, within


def absolute_path(path: str) -> str:
    """``path`` from the root on, by its letters alone. Raises StorageMissing for a relative one when the working directory is gone."""
    if path[:1] == "/" and path[-1:] != "/" and "//" not in path and "/." not in path:
        return path  # as nearly all are, and thousands of them
    try:
        return os.path.abspath(path)
    except OSError as error:
        raise _without_directory(path) from error


def real_path(path: str, seconds: float = DEFAULT_DEADLINE) -> str:
    """``path`` without symlinks. Raises StorageTimeout after so many ``seconds``, StorageMissing as above, ValueError for a NUL."""
    return within(seconds, path, lambda: resolved_path(path))


def resolved_path(path: str) -> str:
    """``path`` without symlinks, however long that takes. Raises StorageMissing as above, ValueError for a NUL."""
    try:
        return os.path.realpath(path)
    except OSError as error:  # what is not there it takes as it is, so this is the working directory
        raise _without_directory(path) from error


def _without_directory(path: str) -> StorageMissing:
    return StorageMissing("is relative to a working directory that was deleted", path=path)
