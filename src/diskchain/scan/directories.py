"""Look through directories: every file below a root, each as it is read. Symlinks are not followed; nothing ends the walk but its caller.

A directory that cannot be read, or whose storage does not answer within the deadline, makes the root ``partial``, and is named.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from stat import S_ISBLK, S_ISREG
from time import time
from typing import Final
from zlib import crc32

from diskchain.errors import StorageError
from diskchain.readers.local import storage_error
from diskchain.scan.files import Files, unread
from diskchain.schema.scan import FileDocument, RootDocument
from diskchain.system.deadline import DEFAULT_DEADLINE, within

#: Files read between two hand-overs to the deadline's worker.
_TOGETHER: Final = 64
#: Directories named that could not be read.
_NAMED: Final = 100

#: A path and its status.
_Entry = tuple[str, os.stat_result]


@dataclass(frozen=True, slots=True)
class Shard:
    """The part ``number`` of ``of`` of a root's files, from 1: which file is in which part follows from its path alone."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def has(self, path: str) -> bool:
        """Whether a file is in this part."""
        return path_number(path) % self.of == self.number - 1


def path_number(path: str) -> int:
    """What shards a file by: CRC-32 of its path, 0 to 2**32-1."""
    return crc32(os.fsencode(path))


class Walk:
    """One root being looked through. ``files``: how many there were; ``denied``: what could not be read, the first hundred of ``refused``."""

    def __init__(
        self,
        root: str,
        reader: Files,
        shard: Shard | None = None,
        *,
        one_file_system: bool = False,
        seconds: float = DEFAULT_DEADLINE,
    ) -> None:
        self.root, self.reader, self.shard = root, reader, shard
        self.one_file_system, self.seconds = one_file_system, seconds
        self.files = self.refused = 0
        self.denied: list[str] = []
        self._device = -1

    def run(self) -> Iterator[FileDocument]:
        """Each file below the root."""
        pending = [self.root]
        entered: set[tuple[int, int]] = set()
        while pending:
            directory = pending.pop()
            try:
                found, below, identity = within(self.seconds, directory, partial(self._listed, directory))
            except (StorageError, OSError):
                self._deny(directory)
                continue
            if identity in entered:
                continue
            entered.add(identity)
            pending += reversed(below)
            for start in range(0, len(found), _TOGETHER):
                yield from self._read(found[start : start + _TOGETHER])

    def _listed(self, directory: str) -> tuple[list[_Entry], list[str], tuple[int, int]]:
        """The files in a directory, the directories in it, and which it is."""
        status = os.stat(directory)
        if self._device < 0:
            self._device = status.st_dev
        files: list[_Entry] = []
        below: list[str] = []
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if not self.one_file_system or entry.stat(follow_symlinks=False).st_dev == self._device:
                        below.append(entry.path)
                elif not entry.is_symlink() and (self.shard is None or self.shard.has(entry.path)):
                    self._list(files, entry)
        return files, sorted(below), (status.st_dev, status.st_ino)

    @staticmethod
    def _list(files: list[_Entry], entry: "os.DirEntry[str]") -> None:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # deleted meanwhile
            return
        if S_ISREG(status.st_mode) or S_ISBLK(status.st_mode):
            files.append((entry.path, status))

    def _read(self, entries: list[_Entry]) -> list[FileDocument]:
        """What there is to say of some files; of each by itself where one does not answer."""
        try:
            found: list[FileDocument] = within(self.seconds, entries[0][0], lambda: self._read_all(entries))
        except StorageError:
            if len(entries) > 1:
                return [each for entry in entries for each in self._read([entry])]
            path, status = entries[0]
            self._deny(path)
            found = [unread(path, status, self.reader.stores, StorageError("does not answer", path=path))]
        self.files += len(found)
        return found

    def _read_all(self, entries: list[_Entry]) -> list[FileDocument]:
        found = []
        for path, status in entries:
            try:
                document = self.reader.read(path, status)
            except OSError as error:
                document = self._unread(path, status, storage_error(error, path))
            except StorageError as error:
                document = self._unread(path, status, error)
            if document is not None:
                found.append(document)
        return found

    def _unread(self, path: str, status: os.stat_result, error: StorageError) -> FileDocument | None:
        if not os.path.lexists(path):  # deleted meanwhile
            return None
        self._deny(path)
        return unread(path, status, self.reader.stores, error)

    def _deny(self, path: str) -> None:
        self.refused += 1
        if len(self.denied) < _NAMED:
            self.denied.append(path)


def scan_directory(walk: Walk) -> Iterator[RootDocument | FileDocument]:
    """A root: the line that begins it, its files, and the line that ends it; ``partial`` also when the caller ends it early."""
    started = time()
    shard = None if walk.shard is None else str(walk.shard)
    store, found = _store(walk)
    begun = RootDocument(kind="directory", path=walk.root, state="begun", started=started, store=store, shard=shard)
    yield begun
    if found:
        yield from walk.run()
    state = "failed" if not found else "partial" if walk.refused else "complete"
    from msgspec.structs import replace

    yield replace(begun, state=state, ended=time(), files=walk.files, denied=tuple(walk.denied))


def _store(walk: Walk) -> tuple[str | None, bool]:
    """The store a root is on, and whether there is such a directory that can be looked through."""
    try:
        status = within(walk.seconds, walk.root, lambda: os.stat(walk.root))
        with within(walk.seconds, walk.root, lambda: os.scandir(walk.root)):
            return walk.reader.stores.of(status.st_dev, walk.root), True
    except (StorageError, OSError, ValueError):
        walk.denied.append(walk.root)
        return None, False
