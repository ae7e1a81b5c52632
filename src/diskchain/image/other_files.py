"""Files that are no disk image: compressed ones, archives, web pages, documents, text, nothing at all. By how they begin.

What is called ``disk.qcow2`` may be the error page of a broken download, or still compressed. Knows signatures of files, none of disks.
Sources: RFC 1952 (gzip), RFC 8878 (zstd), the xz, bzip2, 7z, RAR and LZ4 file formats, APPNOTE.TXT (zip), POSIX 2024 (ustar).
"""

import re
from typing import Final

from diskchain.image.window import Window

#: How such a file begins, and what it is.
_SIGNATURES: Final = {
    b"\x1f\x8b\x08": "gzip data",
    b"\xfd7zXZ\0": "xz data",
    b"\x28\xb5\x2f\xfd": "zstd data",
    b"BZh": "bzip2 data",
    b"\x04\x22\x4d\x18": "lz4 data",
    b"LZIP": "lzip data",
    b"\x89LZO\0": "lzop data",
    b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"!<arch>\n": "an ar archive",
    b"%PDF-": "a PDF document",
}
_BEGINNINGS: Final = tuple(_SIGNATURES)
_BZIP2: Final = re.compile(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)")  # a block, or the end of an empty file
_TAR_AT: Final = 257
_TAR: Final = b"ustar"

_LOOKED_AT: Final = 512
#: The beginnings of UTF-8 and UTF-16 text that says so.
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_ROOT: Final = re.compile(r"<([A-Za-z_][\w.:-]*)")
_JSON: Final = re.compile(r'\s*(?:\{\s*["}]|\[\s*[\[{"\]])')
#: What may stand before the root of a document, and what ends it.
_BEFORE_ROOT: Final = (("<?", "?>"), ("<!--", "-->"), ("<!", ">"))


def other_file(window: Window) -> str | None:
    """What the file is, in words that follow "it is"; None: nothing that is known. Raises StorageError from the window's fetch."""
    if not window.size:
        return "empty"
    head = window.head if len(window.head) >= _LOOKED_AT else window.read_up_to(0, _LOOKED_AT)
    return other_beginning(head[:_LOOKED_AT])


def other_beginning(head: bytes) -> str | None:
    """What a file is that begins with ``head``; None: nothing that is known. See :func:`other_file`."""
    if head.startswith(_BEGINNINGS):
        name = next(name for signature, name in _SIGNATURES.items() if head.startswith(signature))
        return name if name != "bzip2 data" or _BZIP2.match(head) else _as_text(head)
    if head.startswith(_TAR, _TAR_AT):
        return "a tar archive"
    return _as_text(head)


def _as_text(head: bytes) -> str | None:
    text = _text(head)
    if text is None:
        return None
    root = _root(text)
    if root is not None:
        return "an HTML page" if root in ("html", "head", "body") else f"an XML document (<{root}>)"
    if text.lstrip()[:14].lower() == "<!doctype html":
        return "an HTML page"
    if text.lstrip().startswith("<?xml"):
        return "an XML document"
    return "a JSON document" if _JSON.match(text) else "text"


def _root(text: str) -> str | None:
    """The name of a document's root element; None: there is none, or it comes later."""
    rest = text.lstrip()
    while found := next((each for each in _BEFORE_ROOT if rest.startswith(each[0])), None):
        _, ended, rest = rest.partition(found[1])
        if not ended:
            return None
        rest = rest.lstrip()
    match = _ROOT.match(rest)
    if match is None:
        return None
    return match[1].lower() if match[1].isupper() else match[1]


def _text(head: bytes) -> str | None:
    """``head`` as text; None: it is none."""
    for mark, codec in _MARKS:
        if head.startswith(mark):
            text = head[len(mark) :].decode(codec, "ignore")
            break
    else:
        if head[:4] in (b"<\0?\0", b"\0<\0?"):
            text = head.decode("utf-16-le" if head[1] == 0 else "utf-16-be", "ignore")
        else:
            try:
                text = head.decode()
            except UnicodeDecodeError as error:
                if error.end < len(head) - 3:  # else the end of what was looked at is within a character
                    return None
                text = head[: error.start].decode()
    return text if text.strip() and not _NO_TEXT.search(text) else None
