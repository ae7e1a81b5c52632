"""Parent locators of a VHD: up to eight places that say, each for one platform, where the parent is.

Source: Microsoft *Virtual Hard Disk Image Format Specification* 1.0, "Parent Locator Entries"; XenServer writes ``MacX`` and both
``W2`` codes. Names are text as it stands in the header; :func:`host_path` makes a path of one.
"""

import struct
from dataclasses import dataclass
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.header import header_text
from diskchain.image.window import Window
from diskchain.units import KiB

#: platform code, space (sectors or bytes, by who wrote it), length (bytes), offset
_ENTRY = struct.Struct(">4sII4xQ")
ENTRIES: Final = 8
TABLE_SIZE: Final = ENTRIES * _ENTRY.size

_LONGEST: Final = 64 * KiB  # ours; Windows paths end at 32767 characters

#: Codes whose data is text, with its encoding. ``Mac `` holds an alias record, which only a Macintosh can resolve.
_ENCODINGS: Final = {
    "W2ru": "utf-16-le",
    "W2ku": "utf-16-le",
    "Wi2r": "latin-1",
    "Wi2k": "latin-1",
    "MacX": "utf-8",
}

#: Relative names first: an image that was copied together with its parent still finds it.
_PREFERENCE: Final = ("W2ru", "Wi2r", "MacX", "W2ku", "Wi2k")


@dataclass(frozen=True, slots=True)
class Locator:
    """One entry. ``text`` is None when the data is no text."""

    code: str
    text: str | None


def read_locators(window: Window, table: bytes) -> tuple[Locator, ...]:
    """The entries of ``table`` (192 bytes) that are in use, with the text they point to. Raises ImageError."""
    locators = []
    for raw_code, _space, length, offset in _ENTRY.iter_unpack(table):
        if raw_code == b"\0\0\0\0":
            continue
        code = raw_code.decode("ascii", "backslashreplace")
        encoding = _ENCODINGS.get(code)
        if encoding is None:
            locators.append(Locator(code, None))
            continue
        if length > _LONGEST:
            raise ImageError(f"a parent locator of {length} bytes", format="vpc", offset=offset)
        data = window.read(offset, length)
        text = header_text(data) if encoding == "utf-8" else data.decode(encoding, "replace")
        locators.append(Locator(code, text.split("\0", 1)[0]))
    return tuple(locators)


def preferred_path(locators: tuple[Locator, ...]) -> str | None:
    """The path to try first: a relative one if there is any."""
    by_code = {locator.code: locator.text for locator in reversed(locators) if locator.text}
    return next((host_path(code, by_code[code]) for code in _PREFERENCE if code in by_code), None)


def host_path(code: str, text: str) -> str:
    r"""``text`` of a locator as a path here: ``.\base.vhd`` as ``./base.vhd``, ``file://./base.vhd`` likewise.

    A drive letter stays, so that nothing here has that name.
    """
    if code == "MacX":
        from urllib.parse import unquote

        return unquote(text.removeprefix("file://localhost").removeprefix("file://"), errors="surrogateescape")
    return text.replace("\\", "/")
