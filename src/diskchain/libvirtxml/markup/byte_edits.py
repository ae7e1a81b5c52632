"""Change parts of an XML document and leave every other byte as it was.

:func:`locate` says where the disks of a document lie in its bytes; :func:`apply` puts new bytes in their place. Knows
where elements begin and end and how the document is encoded; must not know what the elements mean.

One pass of expat, which reports byte offsets in the document's own encoding (lxml reports none). Documents come from
anywhere, so document types (and with them entities) are refused, and size and depth are bounded. XML 1.0 (fifth
edition), sections 2.4 (where a tag ends), 2.5 (comments), 4.3.3 and appendix F (encodings).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal
from xml.parsers import expat

from diskchain.errors import XmlError
from diskchain.libvirtxml.markup.encoding import declared_encoding, shown_encoding
from diskchain.units import MiB

#: As much as virsh reads from a file (``VSH_MAX_XML_FILE``).
MAX_DOCUMENT = 10 * MiB

#: libxml2's ``xmlParserMaxDepth``, which is libvirt's bound too.
MAX_DEPTH = 256

WHITESPACE = " \t\r\n"

#: From the root down to a disk that can have a backing chain. A snapshot's own ``<disks>`` cannot.
DISK_PATHS: Final[tuple[tuple[str, ...], ...]] = (
    ("disk",),
    ("domain", "devices", "disk"),
    ("domainsnapshot", "domain", "devices", "disk"),
    ("domainsnapshot", "inactiveDomain", "devices", "disk"),
)
_ROOTS = tuple(dict.fromkeys(path[0] for path in DISK_PATHS))

# Encodings with one byte per character, ASCII as usual. Only these names are ever handed to Python's codecs.
_ONE_BYTE = re.compile(
    r"(us-)?ascii|iso[-_]?8859[-_]\d{1,2}|(latin-?|l)\d{1,2}|windows-125\d|koi8-[ru]|(cp|ibm)\d{3,4}", re.ASCII
)
_UTF16 = ("utf-16", "utf-16le", "utf-16be")
# More names that libxml2 knows by itself or asks iconv(3) for, and expat's own names of the same.
_ALIASES = {"utf8": "utf-8", "utf16": "utf-16", "ucs-2": "utf-16", "ucs2": "utf-16", "iso-10646-ucs-2": "utf-16"}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a document's characters are bytes.

    ``codec`` is Python's name of UTF-8 or of UTF-16 with its byte order, or ``ascii``: then all else is written as
    character references.
    """

    codec: str

    def encode(self, markup: str) -> bytes:
        """``markup`` as bytes of the document. Characters outside ASCII may stand in text and attribute values only."""
        return markup.encode(self.codec, "xmlcharrefreplace" if self.codec == "ascii" else "strict")

    def decode(self, raw: bytes) -> str:
        """Bytes of the document as characters; what is not ASCII in an encoding other than UTF becomes U+FFFD."""
        return raw.decode(self.codec, "replace")


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment. ``text`` is what is between ``<!--`` and ``-->``; ``start`` and ``end`` are offsets in bytes."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Element:
    """An element as a place in the document: offsets are in bytes, ends exclusive; ``line`` counts from 1.

    ``name`` is as written, with its prefix; in a default namespace (libvirt has none) that and a space come before it.
    ``children`` are the elements and comments right below, in order. A self-closed element ends where its start tag does.
    """

    name: str
    start: int
    start_tag_end: int
    end_tag_start: int
    end: int
    line: int
    children: "tuple[Element | Comment, ...]" = ()

    @property
    def self_closed(self) -> bool:
        """Whether this is ``<name/>``, not ``<name></name>``."""
        return self.start_tag_end == self.end

    def elements(self) -> "tuple[Element, ...]":
        """The elements right below."""
        return tuple(child for child in self.children if isinstance(child, Element))

    def child(self, name: str) -> "Element | None":
        """The first element right below that has this name: the one libvirt takes when there are several."""
        return next((child for child in self.elements() if child.name == name), None)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are in a document. ``root`` is the name of its outermost element; ``disks`` in document order."""

    root: str
    encoding: Encoding
    disks: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """``document[start:end]`` becomes ``replacement``."""

    start: int
    end: int
    replacement: bytes


def apply(document: bytes, edits: Iterable[Edit]) -> bytes:
    """``document`` with every edit carried out; offsets are those of ``document`` itself.

    Insertions at one place come out in the order given. Raises ValueError for edits that overlap or lie outside.
    """
    pieces: list[bytes] = []
    done = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if not done <= edit.start <= edit.end <= len(document):
            raise ValueError(f"edit of bytes {edit.start}…{edit.end} overlaps another or lies outside the document")
        pieces += (document[done : edit.start], edit.replacement)
        done = edit.end
    pieces.append(document[done:])
    return b"".join(pieces)


def locate(document: bytes, origin: str | None = None) -> Layout:
    """Where the disks of a ``<domain>``, ``<domainsnapshot>`` or ``<disk>`` are.

    ``origin`` names the document in errors. Raises XmlError, with the line, when it is not well-formed, has a document
    type, another root or an encoding expat does not know, or is too large or too deep.
    """
    if len(document) > MAX_DOCUMENT:
        raise XmlError(f"larger than {MAX_DOCUMENT} bytes", origin=origin)
    surveyor = _Surveyor(document, origin)
    surveyor.run()
    return Layout(surveyor.root, surveyor.encoding, tuple(disk for disk in surveyor.disks if isinstance(disk, Element)))


class _Surveyor:
    """Follows expat through a document and writes down the disks."""

    def __init__(self, document: bytes, origin: str | None) -> None:
        self.document = document
        self.origin = origin
        self.root = ""
        self.encoding = _encoding_of(document, None)
        self._slash = self.encoding.encode("/>")
        self.disks: list[Element | Comment] = []
        self._path: list[str] = []
        self._default_namespaces = [""]
        # Inside a disk, the elements begun: name, start, end of the start tag, line, and what is below so far.
        self._open: list[tuple[str, int, int, int, list[Element | Comment]]] = []
        # Without expat's namespaces: it refuses prefixes that nobody declared, as in a <disk> cut out of its domain.
        self._parser = expat.ParserCreate(_alias(document))

    def run(self) -> None:
        parser = self._parser
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._document_type
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CommentHandler = self._comment
        try:
            parser.Parse(self.document, True)  # noqa: FBT003  (expat takes no names)
        except expat.ExpatError as error:
            problem = f"not well-formed XML: {expat.ErrorString(error.code)}"
            raise XmlError(problem, origin=self.origin, line=error.lineno) from error
        except (LookupError, ValueError) as error:  # Python's codecs, on the declared encoding
            raise self._refusal(f"unknown encoding: {error}") from error

    def _refusal(self, problem: str) -> XmlError:
        return XmlError(problem, origin=self.origin, line=self._parser.CurrentLineNumber)

    def _declaration(self, _version: str, declared: str | None, _standalone: int) -> None:
        if declared is None:
            return
        name = _ALIASES.get(declared.lower(), declared.lower())
        if name not in ("utf-8", *_UTF16) and not _ONE_BYTE.fullmatch(name):
            raise self._refusal(f"unsupported encoding {declared[:40]!r}")
        self.encoding = _encoding_of(self.document, name)

    def _document_type(self, *_: object) -> None:
        raise self._refusal("document type declarations are refused (they can define entities)")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        path = self._path
        self._default_namespaces.append(attributes.get("xmlns", self._default_namespaces[-1]))
        if self._default_namespaces[-1] and ":" not in name:
            name = f"{self._default_namespaces[-1]} {name}"
        path.append(name)
        if len(path) > MAX_DEPTH:
            raise self._refusal(f"elements are nested more than {MAX_DEPTH} deep")
        if len(path) == 1:
            self.root = name
            if name not in _ROOTS:
                wanted = " nor ".join(f"<{root}>" for root in _ROOTS)
                raise self._refusal(f"the root is <{name[:80]}>, neither {wanted}")
        if self._open or (name == "disk" and tuple(path) in DISK_PATHS):
            start = self._parser.CurrentByteIndex
            end = self._end_of("tag", start)
            self._open.append((name, start, end, self._parser.CurrentLineNumber, []))

    def _end(self, _name: str) -> None:
        self._path.pop()
        self._default_namespaces.pop()
        if not self._open:
            return
        name, start, start_tag_end, line, below = self._open.pop()
        end_tag = end = start_tag_end
        if not self.document.endswith(self._slash, start, start_tag_end):
            end_tag = self._parser.CurrentByteIndex
            end = self._end_of("tag", end_tag)
        element = Element(name, start, start_tag_end, end_tag, end, line, tuple(below))
        (self._open[-1][-1] if self._open else self.disks).append(element)

    def _comment(self, text: str) -> None:
        if self._open:
            start = self._parser.CurrentByteIndex
            self._open[-1][-1].append(Comment(text, start, self._end_of("comment", start)))

    def _end_of(self, markup: Literal["tag", "comment"], start: int) -> int:
        end = _end_of_tag if markup == "tag" else _end_of_comment
        found = end(self.document, start, self.encoding.codec)
        if found is None:  # expat and the byte order disagree
            raise self._refusal(f"cannot tell where this {markup} ends")
        return found


def _alias(document: bytes) -> str | None:
    """What expat calls the encoding the document declares under another name; None: it need not be told."""
    return _ALIASES.get((declared_encoding(document) or "").lower())


def _encoding_of(document: bytes, declared: str | None) -> Encoding:
    """``declared`` in lower case. UTF-16 shows itself in the first two bytes, with or without a byte order mark."""
    shown = shown_encoding(document)
    if shown is not None and shown.codec.startswith("utf-16"):
        return Encoding(shown.codec)
    return Encoding("utf-8" if declared in (None, "utf-8") else "ascii")


# Written as steps from mark to mark, not as one pattern with possessive groups: ``re`` of Python before 3.11.5, and so of Debian 12,
# gets those wrong (https://github.com/python/cpython/issues/106052).


def _end_of_tag(document: bytes, start: int, codec: str) -> int | None:
    """Behind the ``>`` of the tag that begins at ``start``; what stands in quotes does not count."""
    marks, closing, unit = _marks(codec)
    found = _in_step(marks, document, start, unit)
    while found is not None and (quote := closing.get(found[0])) is not None:
        end = _in_step(quote, document, found.end(), unit)
        found = None if end is None else _in_step(marks, document, end.end(), unit)
    return None if found is None else found.end()


def _end_of_comment(document: bytes, start: int, codec: str) -> int | None:
    """Behind the ``-->`` of the comment that begins at ``start``."""
    found = _in_step(re.compile("-->".encode(codec)), document, start, len("-".encode(codec)))
    return None if found is None else found.end()


def _in_step(pattern: re.Pattern[bytes], document: bytes, start: int, unit: int) -> re.Match[bytes] | None:
    """The first match that begins a whole number of code units of ``unit`` bytes behind ``start``."""
    found = pattern.search(document, start)
    while found is not None and (found.start() - start) % unit:
        found = pattern.search(document, found.start() + 1)
    return found


@cache
def _marks(codec: str) -> tuple[re.Pattern[bytes], dict[bytes, re.Pattern[bytes]], int]:
    """What ends a tag or begins a quotation; by what begins a quotation, what ends it; and the bytes of a code unit."""
    quotes = [quote.encode(codec) for quote in ("'", '"')]
    end = ">".encode(codec)
    return re.compile(b"|".join((end, *quotes))), {quote: re.compile(quote) for quote in quotes}, len(end)
