"""An image somewhere else, read like one on this host: a window on its bytes that knows the facts of its container.

Knows no protocol: a reader of one hands over how to fetch bytes, and how to hang up.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from diskchain.errors import StorageError
from diskchain.image.window import BUDGET, HEAD, Window
from diskchain.readers.file_facts import ImageFacts
from diskchain.storage.terms import StorageType

#: Seconds a server may take for one answer, unless told otherwise.
TIMEOUT: Final = 10.0

#: Gives ``length`` bytes at ``offset``, both inside the image. Raises StorageError.
Fetch = Callable[[int, int], bytes]


class RemoteImage(Window):
    """An open image elsewhere. ``path`` is its name for people. Close it, or use it as a context manager."""

    __slots__ = ("_hang_up", "facts", "path")

    def __init__(
        self, path: str, size: int, fetch: Fetch, hang_up: Callable[[], None], head: bytes | None = None
    ) -> None:
        """Fetches the head, unless it is at hand. Raises StorageError, and hangs up before it does."""
        self.path = path
        self._hang_up: Callable[[], None] | None = hang_up
        try:
            if size < 0:
                raise StorageError("the server says it has a negative size", path=path)
            if head is None:
                head = fetch(0, min(size, HEAD)) if size else b""
        except BaseException:
            self.close()
            raise
        super().__init__(head, size, fetch, BUDGET)
        self.facts = ImageFacts(StorageType.NETWORK, size)

    def fetch(self, offset: int, length: int) -> bytes:
        """Bytes from the server. Raises StorageError."""
        if self._hang_up is None:
            raise StorageError("is closed", path=self.path)
        return super().fetch(offset, length) if length else b""

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
