"""Edit a document in UTF-32, which expat does not read: as UTF-8, and back.

Knows how such a document shows itself; must not know what is edited. XML 1.0 (fifth edition), appendix F.
"""

import re
from collections.abc import Callable
from typing import Final

from diskchain.errors import XmlError

#: What a document in UTF-32 begins with: a byte order mark, or ``<``.
_BEGINNINGS: Final = {
    b"\xff\xfe\0\0": "utf-32-le",
    b"\0\0\xfe\xff": "utf-32-be",
    b"<\0\0\0": "utf-32-le",
    b"\0\0\0<": "utf-32-be",
}
#: Byte order mark and XML declaration, which says what the encoding is.
_HEAD: Final = re.compile(r"\ufeff?(?:<\?xml\s[^>]*>)?")


def edited_as_utf8(document: bytes, edit: Callable[[bytes], bytes], origin: str | None = None) -> bytes:
    """``edit(document)``; for a document in UTF-32, ``edit`` gets the same in UTF-8, with the same lines and undeclared.

    ``edit`` may only change what is below the root. Raises what it raises, and XmlError for what is no UTF-32.
    """
    codec = _BEGINNINGS.get(document[:4])
    if codec is None:
        return edit(document)
    try:
        text = document.decode(codec)
    except UnicodeDecodeError as error:
        raise XmlError("not well-formed XML: not UTF-32", origin=origin, line=1) from error
    found = _HEAD.match(text)
    head = found[0] if found else ""
    lines = "\n" * head.count("\n")
    changed = edit((lines + text[len(head) :]).encode()).decode()
    return (head + changed.removeprefix(lines)).encode(codec)
