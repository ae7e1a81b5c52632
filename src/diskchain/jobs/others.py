"""Who else relies on files of a chain: overlays in directories that are searched. Reads headers, and follows nothing.

An overlay that is not found there is not known of: what was searched is said.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from diskchain.errors import ImageError, ParseError, StorageError
from diskchain.image.header import ImageHeader
from diskchain.image.inspect import inspect
from diskchain.image.probe import probe
from diskchain.image.window import Window
from diskchain.storage.location import local_path
from diskchain.storage.reference import parse_reference
from diskchain.storage.terms import Format
from diskchain.system.deadline import DEFAULT_DEADLINE, within

_HEAD_BYTES = 4096
#: Files looked at in all directories together.
_MOST = 200_000
_DEEP_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class OtherOverlay:
    """An image at ``path`` whose header names ``base``, a file of the chain."""

    path: str
    base: str


@dataclass(frozen=True, slots=True)
class Searched:
    """``overlays`` that were found; ``directories`` that were searched; ``unsearched``: those that could not be, with the reason."""

    overlays: tuple[OtherOverlay, ...]
    directories: tuple[str, ...]
    unsearched: tuple[str, ...] = ()


def search(
    chain: Iterable[str], beside: Iterable[str], below: Iterable[str] = (), seconds: float = DEFAULT_DEADLINE
) -> Searched:
    """Overlays of files of ``chain`` (paths) that are not in it themselves.

    ``beside``: directories in which is looked; ``below``: those in which, and in all below them, is looked.
    """
    files = {identity: path for path in chain if (identity := _identity(path)) is not None}
    found: list[OtherOverlay] = []
    searched: list[str] = []
    failed: list[str] = []
    left = [_MOST]
    for directory, deep in [*((each, False) for each in beside), *((each, True) for each in below)]:
        look = partial(_overlays_in, directory, files, left, deep=deep)
        try:
            found += within(_DEEP_SECONDS if deep else seconds, directory, look)
            searched.append(directory)
        except (OSError, StorageError) as error:
            failed.append(f"{directory} ({error})")
    if left[0] <= 0:
        failed.append(f"more than {_MOST} files")
    return Searched(tuple(dict.fromkeys(found)), tuple(dict.fromkeys(searched)), tuple(failed))


def _overlays_in(
    directory: str, files: dict[tuple[int, int], str], left: list[int], *, deep: bool
) -> list[OtherOverlay]:
    return [*_overlays(directory, files, left, deep=deep)]


def _identity(path: str) -> tuple[int, int] | None:
    with suppress(OSError, ValueError):
        status = os.stat(path)
        return status.st_dev, status.st_ino
    return None


def _overlays(
    directory: str, files: dict[tuple[int, int], str], left: list[int], *, deep: bool
) -> Iterator[OtherOverlay]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if deep:
                    with suppress(PermissionError):
                        yield from _overlays(entry.path, files, left, deep=True)
                continue
            if left[0] <= 0:
                return
            with suppress(OSError):
                status = entry.stat()
                if not entry.is_file() or (status.st_dev, status.st_ino) in files:
                    continue
                left[0] -= 1
                base = _base_of(entry.path, files)
                if base is not None:
                    yield OtherOverlay(entry.path, base)


def _header(path: str) -> ImageHeader | None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        head, size = os.pread(descriptor, _HEAD_BYTES, 0), os.fstat(descriptor).st_size
        window = Window(head, size, lambda at, length: os.pread(descriptor, length, at))
        try:
            return inspect(window, probe(window))
        except (ImageError, StorageError):
            return None
    finally:
        os.close(descriptor)


def _base_of(path: str, files: dict[tuple[int, int], str]) -> str | None:
    header = _header(path)
    if header is None or header.backing is None:
        return None
    try:
        named = local_path(parse_reference(header.backing.text, "qemu").location)
    except ParseError:
        return None
    if named is None:
        return None
    identity = _identity(os.path.join(os.path.dirname(path), named))
    return None if identity is None else files.get(identity)


def images_in(directories: Iterable[str], capacity: int, seconds: float = DEFAULT_DEADLINE) -> list[str]:
    """The qcow2 images right in these directories that are of that capacity, in bytes. What cannot be read is left out."""
    found: list[str] = []
    for directory in directories:
        with suppress(OSError, StorageError):
            found += within(seconds, directory, partial(_images, directory, capacity))
    return found


def _images(directory: str, capacity: int) -> list[str]:
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):
                header = _header(entry.path) if entry.is_file() else None
                if header is not None and header.format is Format.QCOW2 and header.capacity == capacity:
                    found.append(entry.path)
    return found
