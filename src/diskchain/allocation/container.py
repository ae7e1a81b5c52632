"""The file that a layer's tables and data are in, as tables need it: read into buffers, and told holes from data.

A container is an open image, or the slice of it that a document names. Offsets are those of the slice; :attr:`Container.base` is added for
people. Knows no format.
"""

from typing import Final

from diskchain.image.window import Window
from diskchain.readers.file_facts import ImageFacts
from diskchain.readers.local import LocalImage
from diskchain.readers.open import Image
from diskchain.storage.slice import Slice
from diskchain.storage.terms import StorageType

#: QEMU takes the length of a file for whole sectors, rounded up.
SECTOR: Final = 512


class Container:
    """The bytes of an image. ``size``: in bytes; ``base``: where in the file it begins; ``facts``: of that file."""

    __slots__ = ("_image", "base", "facts", "name", "size")

    def __init__(self, image: Image, part: Slice | None = None) -> None:
        self._image = image
        self.name = image.path
        self.facts: ImageFacts = image.facts
        self.base = 0 if part is None else part.offset
        left = max(0, image.facts.size - self.base)
        self.size = left if part is None or not part.size else min(left, part.size)

    @property
    def image(self) -> Image:
        """The open image it is of."""
        return self._image

    def window(self) -> Window:
        """What a header may ask of it."""
        if not self.base and self.size == self.facts.size:
            return self._image.window()
        return Window(self.read(0, min(4096, self.size)), self.size, self.read)

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``; fewer at the end. Raises StorageError."""
        length = min(length, self.size - offset)
        return self._image.pread(self.base + offset, length) if length > 0 and offset >= 0 else b""

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` with what is at ``offset``; what lies behind the end is zeros. Raises StorageError."""
        got = 0
        length = max(0, min(len(buffer), self.size - offset))
        while got < length:
            count = self._image.read_into(self.base + offset + got, buffer[got:length])
            if not count:
                break
            got += count
        if got < len(buffer):
            buffer[got:] = bytes(len(buffer) - got)

    @property
    def tells_holes(self) -> bool:
        """Whether its storage says which parts of it hold no data. A block device, and what is elsewhere, does not."""
        return isinstance(self._image, LocalImage) and self.facts.type is StorageType.FILE

    @property
    def is_written(self) -> bool:
        """Whether a QEMU process has it open for writing, as far as its locks tell."""
        return self._image.is_written

    def data_from(self, offset: int, end: int) -> tuple[int, int] | None:
        """The first stretch of data in [``offset``, ``end``); None: there are holes only. For those that tell holes. Raises StorageError."""
        end = min(end, self.size)
        image = self._image
        if offset >= end:
            return None
        if not isinstance(image, LocalImage):
            return offset, end
        begins = image.next_data(self.base + offset)
        if begins is None or begins - self.base >= end:
            return None
        stops = image.next_hole(begins)
        return begins - self.base, end if stops is None else min(end, stops - self.base)

    @property
    def has_changed(self) -> bool:
        """Whether it was written to since it was opened, as far as that can be told. Raises StorageError."""
        return self._image.has_changed

    def close(self) -> None:
        """Give the file back."""
        self._image.close()
