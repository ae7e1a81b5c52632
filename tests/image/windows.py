"""Windows on real files and on bytes, as a reader would open them."""

from collections.abc import Callable
from pathlib import Path

from diskchain.image.window import HEAD, Window


def file_window(path: Path) -> Window:
    """A window that reads the first 4 KiB at once, and the rest of ``path`` when asked."""
    with path.open("rb") as file:
        head = file.read(HEAD)

    def fetch(offset: int, length: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    return Window(head, path.stat().st_size, fetch)


def bytes_window(data: bytes, size: int | None = None, fetched: Callable[[int], None] | None = None) -> Window:
    """A window on ``data``, followed by zeros up to ``size``. ``fetched`` is told how much was read beyond the head."""

    def fetch(offset: int, length: int) -> bytes:
        if fetched:
            fetched(length)
        return data[offset : offset + length].ljust(length, b"\0")

    return Window(data[:HEAD], max(len(data), size or 0), fetch)
