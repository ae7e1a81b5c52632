"""An image somewhere else, read like one on this host: its facts, its head, and any other part.

Knows no protocol: a reader of one hands over how to fetch bytes, and how to hang up.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from diskchain.errors import StorageError
from diskchain.image.window import HEAD, Window
from diskchain.readers.file_facts import ImageFacts
from diskchain.storage.terms import StorageType

#: Seconds a server may take for one answer, unless told otherwise.
TIMEOUT: Final = 10.0

#: Gives ``length`` bytes at ``offset``, both inside the image. Raises StorageError.
Fetch = Callable[[int, int], bytes]


class RemoteImage:
    """An open image elsewhere. ``path`` is its name for people. Close it, or use it as a context manager.

    ``moved_to``: the URL, without query, at which another server gave the bytes, because the first one redirects there.
    """

    __slots__ = ("_fetch", "_hang_up", "facts", "head", "moved_to", "path")

    def __init__(
        self,
        path: str,
        size: int,
        fetch: Fetch,
        hang_up: Callable[[], None],
        head: bytes | None = None,
        *,
        moved_to: str | None = None,
    ) -> None:
        """Fetches the head, unless it is at hand. Raises StorageError, and hangs up before it does."""
        self.path = path
        self.moved_to = moved_to
        self._hang_up: Callable[[], None] | None = hang_up
        try:
            if size < 0:
                raise StorageError("the server says it has a negative size", path=path)
            if head is None:
                head = fetch(0, min(size, HEAD)) if size else b""
        except BaseException:
            self.close()
            raise
        self._fetch = fetch
        self.head = head
        self.facts = ImageFacts(StorageType.NETWORK, size)

    def window(self) -> Window:
        """What a header may ask of it."""
        return Window(self.head, self.facts.size, self.pread)

    def pread(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``: fewer at the end only. Raises StorageError."""
        if self._hang_up is None:
            raise StorageError("is closed", path=self.path)
        length = min(length, self.facts.size - offset)
        return self._fetch(offset, length) if length > 0 else b""

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill ``buffer`` with the bytes at ``offset``; how many there were. Raises StorageError."""
        data = self.pread(offset, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    @property
    def has_changed(self) -> bool:
        """Whether the image was written to since it was opened: nobody can tell."""
        return False

    @property
    def is_written(self) -> bool:
        """Whether another process writes to the image: nobody can tell."""
        return False

    @property
    def direct_alignment(self) -> int | None:
        """What QEMU takes for the smallest read or write past the page cache there: nobody can tell."""
        return None

    def close(self) -> None:
        """Hang up. Harmless when repeated."""
        hang_up, self._hang_up = self._hang_up, None
        if hang_up is not None:
            hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
