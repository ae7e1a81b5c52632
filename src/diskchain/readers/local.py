"""Read images on this host: files, block devices, directories. Never blocks on a FIFO, never opens a character device.

Opening alone has side effects for some device nodes (a watchdog starts, a tape rewinds), and an image may name any path; so
the kind of a file is looked at before it is opened.
"""

import os
from stat import S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK
from types import TracebackType
from typing import Final, Self

from diskchain.errors import NotStorage, StorageDenied, StorageError, StorageMissing
from diskchain.image.window import HEAD, Window
from diskchain.readers.file_facts import ImageFacts, host_facts
from diskchain.storage.terms import StorageType

#: QEMU's image locks: this byte and the number of a right (1: to write) is locked by who uses it (``RAW_LOCK_PERM_BASE``).
QEMU_PERM_BASE: Final = 100
#: O_NONBLOCK: a FIFO swapped in between look and open must not block us. O_NOCTTY: nor may a terminal take us over.
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
#: open(2) lets an owner and root alone keep the time of the last access as it was.
_quietly: int = 0
_FILE: Final = StorageType.FILE  # in Python 3.11 every look-up of an enum's member costs a call
_NO_STORAGE: Final = {S_IFIFO: "is a FIFO", S_IFSOCK: "is a socket", S_IFCHR: "is a character device"}


class LocalImage:
    """An open image: the ``facts`` of its container, its ``head`` (the first bytes; none of a directory), and any other part.

    Close it, or use it as a context manager.
    """

    __slots__ = ("_fd", "facts", "head", "path")

    def __init__(self, path: str, fd: int, facts: ImageFacts, head: bytes) -> None:
        self.path = path
        self._fd = fd
        self.facts = facts
        self.head = head

    def window(self) -> Window:
        """What a header may ask of it."""
        return Window(self.head, self.facts.size, self.pread)

    def pread(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``: fewer at the end only. Raises StorageError."""
        try:
            return os.pread(self._fd, length, offset)
        except OSError as error:
            raise storage_error(error, self.path) from error

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill ``buffer`` with the bytes at ``offset``; how many there were. Raises StorageError."""
        try:
            return os.preadv(self._fd, [buffer], offset)
        except OSError as error:
            raise storage_error(error, self.path) from error

    def next_data(self, offset: int) -> int | None:
        """Where data begin, at ``offset`` or behind it; None: there are holes to the end. Where storage knows no holes: ``offset``."""
        return self._seek(offset, os.SEEK_DATA)

    def next_hole(self, offset: int) -> int | None:
        """Where a hole begins, at ``offset`` or behind it; the end is one. None: ``offset`` is behind the end, or storage knows no holes."""
        return self._seek(offset, os.SEEK_HOLE)

    @property
    def has_changed(self) -> bool:
        """Whether the file was written to since it was opened, as far as its length and time tell. Raises StorageError."""
        try:
            now = os.fstat(self._fd)
        except OSError as error:
            raise storage_error(error, self.path) from error
        if self.facts.type is not _FILE:
            return False
        return (now.st_size, now.st_mtime) != (self.facts.size, self.facts.modified)

    def _seek(self, offset: int, whence: int) -> int | None:
        import errno

        try:
            return os.lseek(self._fd, offset, whence)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return None
            if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):  # block devices, some file systems
                return offset if whence == os.SEEK_DATA else None
            raise storage_error(error, self.path) from error

    @property
    def is_written(self) -> bool:
        """Whether a QEMU process has the image open for writing, by its lock. Where storage has no locks, nobody can tell: False."""
        from diskchain.system.file_locks import is_locked

        return is_locked(self._fd, QEMU_PERM_BASE + 1)

    @property
    def direct_alignment(self) -> int | None:
        """Bytes that QEMU takes for the smallest read or write past the page cache; None where nobody can tell."""
        from diskchain.system.direct_io import request_alignment

        return request_alignment(self._fd)

    def close(self) -> None:
        """Give the file back. Harmless when repeated."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            release(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def storage_error(error: OSError, path: str) -> StorageError:
    """The error of our tree for what the operating system said about ``path``."""
    import errno

    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return StorageMissing("no such file", path=path)
    if error.errno == errno.ELOOP:
        return StorageMissing("symlinks go round in a circle", path=path)
    if error.errno in (errno.EACCES, errno.EPERM):
        return StorageDenied("permission denied", path=path)
    reason = error.strerror or str(error)
    return StorageError(reason[:1].lower() + reason[1:], path=path)


def release(fd: int) -> None:
    """Close a descriptor that was read. Servers and FUSE daemons may answer that with an error, which is about writing."""
    try:
        os.close(fd)
    except OSError:
        return


def open_local(path: str) -> LocalImage:
    """Open ``path`` for reading and read its head.

    Raises StorageMissing, StorageDenied, NotStorage, or StorageError for anything else the host has against it.
    """
    return LocalImage(path, *begin(path))


def expect(path: str) -> None:
    """Have the kernel read the head of ``path`` without waiting for it, if :func:`open_local` would open it. Never raises."""
    try:
        if S_IFMT(os.stat(path).st_mode) not in (S_IFREG, S_IFBLK):
            return
        fd = os.open(path, _FLAGS)
        try:
            os.posix_fadvise(fd, 0, HEAD, os.POSIX_FADV_WILLNEED)
        finally:
            release(fd)
    except (OSError, ValueError):
        return


def keep_access_times() -> None:
    """From now on, open files so that the time of their last access stays, wherever that is allowed."""
    global _quietly  # noqa: PLW0603  # a rule for the whole process: nothing is to leave a trace
    _quietly = os.O_NOATIME


def _open_quietly(path: str) -> int:
    try:
        return os.open(path, _FLAGS | _quietly)
    except PermissionError:
        return os.open(path, _FLAGS)


def begin(path: str, length: int = HEAD) -> tuple[int, ImageFacts, bytes]:
    """What :func:`open_local` makes an image of, for those who may do without: a descriptor, facts, the first ``length`` bytes.

    The descriptor is the caller's to close; for a directory it is -1.
    """
    fd = -1
    try:
        stat = os.stat(path)
        mode, inode, device, _, _, _, size = stat[:7]
        kind = S_IFMT(mode)
        if kind == S_IFREG:
            fd = os.open(path, _FLAGS) if not _quietly else _open_quietly(path)
            facts = host_facts(_FILE, size, device, inode, mode, stat.st_mtime, stat.st_blocks)
            return fd, facts, os.pread(fd, length, 0)
        if kind == S_IFBLK:
            fd = os.open(path, _FLAGS) if not _quietly else _open_quietly(path)
            size = os.lseek(fd, 0, os.SEEK_END)
            facts = host_facts(StorageType.BLOCK, size, -1, stat.st_rdev, mode, stat.st_mtime, stat.st_blocks)
            return fd, facts, os.pread(fd, length, 0)
        if kind == S_IFDIR:
            return fd, host_facts(StorageType.DIR, 0, device, inode, mode, stat.st_mtime, stat.st_blocks), b""
    except OSError as error:
        if fd >= 0:
            release(fd)
        raise storage_error(error, path) from error
    except ValueError as error:  # a NUL, or a character that no encoding of a path has
        raise StorageMissing("no file can have such a name", path=path) from error
    raise NotStorage(_NO_STORAGE.get(kind, "is no file"), path=path)
