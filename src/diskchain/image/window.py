"""What a header may ask of an image: its bytes, up to a bound. Knows nothing of files: a caller supplies the bytes, or how to fetch them.

A reader's image (:mod:`diskchain.readers`) gives out bytes without a bound; a window on it is what a parser gets.
"""

from collections.abc import Callable
from typing import Final

from diskchain.errors import ImageError, TruncatedImage
from diskchain.units import MiB

#: Bytes a reader should hand over at once. Holds the header of nearly every image there is.
HEAD: Final = 4096

#: Bytes one window gives out beyond its head before it refuses: no header needs more.
BUDGET: Final = 16 * MiB


class Window:
    """The bytes of an image: ``head`` (its first bytes), and perhaps a way to ``fetch`` more.

    ``size`` is the length of the whole image in bytes. ``fetch(offset, length)`` returns ``length`` bytes, or fewer at the
    end; it may raise StorageError. ``budget`` bounds what all fetches together may ask for, in bytes.
    """

    __slots__ = ("_fetch", "budget", "head", "size")

    def __init__(
        self,
        head: bytes,
        size: int | None = None,
        fetch: Callable[[int, int], bytes] | None = None,
        budget: int = BUDGET,
    ) -> None:
        self.head = head
        self.size = len(head) if size is None else size
        self._fetch = fetch
        self.budget = budget

    def fetch(self, offset: int, length: int) -> bytes:
        """Bytes beyond the head; fewer at the end of the image."""
        if self._fetch is None:
            raise TruncatedImage(f"needs {length} bytes beyond those at hand", offset=offset)
        return self._fetch(offset, length)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes at ``offset``.

        Raises TruncatedImage when the image ends before, ImageError when the budget is used up.
        """
        if offset < 0 or length < 0 or offset + length > self.size:
            raise TruncatedImage(f"needs {length} bytes where the image has only {self.size} in all", offset=offset)
        end = offset + length
        if end <= len(self.head):
            return self.head[offset:end]
        if length > self.budget:
            raise ImageError("asks for more of the image than any header needs", offset=offset)
        self.budget -= length
        data = self.fetch(offset, length)
        if len(data) != length:
            raise TruncatedImage(f"ended after {len(data)} of {length} bytes", offset=offset)
        return data

    def read_up_to(self, offset: int, length: int) -> bytes:
        """Like :meth:`read`, but fewer bytes where the image ends before."""
        return self.read(offset, max(0, min(length, self.size - offset)))


def window_on(whole: Window, offset: int, size: int) -> Window:
    """``size`` bytes of ``whole`` from ``offset`` on, as an image of their own; what is read of it counts for both budgets.

    Raises what reading its head from ``whole`` raises.
    """
    return Window(whole.read(offset, min(HEAD, size)), size, lambda at, length: whole.read(offset + at, length))
