"""What encoding a document is in, by its first bytes; and how to edit one that expat does not read. Pure: no parser is needed.

Knows how encodings show themselves and are declared; must not know what a document says. XML 1.0 (fifth edition), 4.3.3 and
appendix F.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from diskchain.errors import XmlError


@dataclass(frozen=True, slots=True)
class Shown:
    """An encoding that shows itself. ``codec`` is Python's name, with its byte order; ``mark``: bytes of the byte order mark."""

    codec: str
    mark: int


#: What a document in UTF-32 and UTF-16 begins with: a byte order mark, or ``<``; in UTF-8, a mark. The longest first.
_BEGINNINGS: Final = (
    (b"\xff\xfe\0\0", Shown("utf-32-le", 4)),
    (b"\0\0\xfe\xff", Shown("utf-32-be", 4)),
    (b"<\0\0\0", Shown("utf-32-le", 0)),
    (b"\0\0\0<", Shown("utf-32-be", 0)),
    (b"\xff\xfe", Shown("utf-16-le", 2)),
    (b"\xfe\xff", Shown("utf-16-be", 2)),
    (b"<\0", Shown("utf-16-le", 0)),
    (b"\0<", Shown("utf-16-be", 0)),
    (b"\xef\xbb\xbf", Shown("utf-8", 3)),
)
#: Bytes that are enough for a declaration.
_DECLARATION: Final = 1024
#: What a document says its encoding is, before that is known: as bytes, and in UTF-16 with every other byte left out.
_DECLARED: Final = re.compile(rb"""<\?xml\s[^>]*?\bencoding\s*=\s*['"]([\w.:-]{1,40})""")
#: Byte order mark and XML declaration, which says what the encoding is.
_HEAD: Final = re.compile(r"\ufeff?(?:<\?xml\s[^>]*>)?")


def shown_encoding(document: bytes) -> Shown | None:
    """The encoding the first bytes tell, none of which has to be declared; None: what is declared counts, or it is UTF-8."""
    return next((shown for beginning, shown in _BEGINNINGS if document.startswith(beginning)), None)


def declared_encoding(document: bytes) -> str | None:
    """What ``document`` says its encoding is, as it is written there; None: it says nothing."""
    found = _DECLARED.match(document[:_DECLARATION].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe"))
    return found[1].decode() if found else None


def beginning_as_utf8(head: bytes) -> bytes:
    """The first bytes of what may be a document, in UTF-8 and without byte order mark if their encoding shows itself."""
    shown = shown_encoding(head)
    if shown is None:
        return head
    return head[shown.mark :].decode(shown.codec, "replace").encode()


def edited_as_utf8(document: bytes, edit: Callable[[bytes], bytes], origin: str | None = None) -> bytes:
    """``edit(document)``; for a document in UTF-32, ``edit`` gets the same in UTF-8, with the same lines and undeclared.

    ``edit`` may only change what is below the root. Raises what it raises, and XmlError for what is no UTF-32.
    """
    shown = shown_encoding(document)
    if shown is None or not shown.codec.startswith("utf-32"):
        return edit(document)
    try:
        text = document.decode(shown.codec)
    except UnicodeDecodeError as error:
        raise XmlError("not well-formed XML: not UTF-32", origin=origin, line=1) from error
    found = _HEAD.match(text)
    head = found[0] if found else ""
    lines = "\n" * head.count("\n")
    changed = edit((lines + text[len(head) :]).encode()).decode()
    return (head + changed.removeprefix(lines)).encode(shown.codec)
