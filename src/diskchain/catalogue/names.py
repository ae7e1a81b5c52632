"""File names and header texts as columns hold them. Pure, and exactly reversible.

A name is any bytes without NUL; a text column is Unicode. A byte that is no UTF-8 becomes U+10FE00 and its number, from the private use
planes; a character of that range is spelled by its bytes, so that no two names become one.
"""

import re
from typing import Final

_FIRST: Final = 0x10FE80
_SURROGATE: Final = 0xDC80
_BYTES: Final = 0x80
_ODD: Final = re.compile("[\udc80-\udcff\U0010fe80-\U0010feff]")
_SPELLED: Final = re.compile("[\U0010fe80-\U0010feff]+")


def to_column(text: str) -> str:
    """A name as a text column holds it. NUL, and halves of characters that no file name has, become U+FFFD."""
    if text.isascii():
        return text.replace("\0", "\ufffd")
    spelled = _ODD.sub(_spelled, text)
    return spelled.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def of_column(text: str) -> str:
    """The name that a text column holds."""
    return text if text.isascii() else _SPELLED.sub(_read, text)


def _spelled(found: re.Match[str]) -> str:
    number = ord(found[0])
    raw = bytes([number - _SURROGATE + _BYTES]) if number < _FIRST else found[0].encode()
    return "".join([chr(_FIRST + byte - _BYTES) for byte in raw])


def _read(found: re.Match[str]) -> str:
    return bytes([ord(each) - _FIRST + _BYTES for each in found[0]]).decode("utf-8", "surrogateescape")
