"""Where in a document's bytes the elements are that a frame has holes for. One pass of expat, which tells byte offsets.

Knows XML; must not know what the elements mean. The document has been parsed before, so it is well-formed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.parsers import expat

from diskchain.errors import XmlError
from diskchain.libvirtxml.markup.encoding import declared_encoding, shown_encoding

Path = tuple[str, ...]

_TAB = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for: the children ``name`` of the first element at ``container``, and siblings to stand behind."""

    container: Path
    name: str
    before: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the document, offsets in bytes, the end exclusive."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Slot:
    """Where an element that is missing would go, and where its container begins."""

    offset: int
    container: int


class Ranges:
    """What was found, one entry for each that was wanted, and the text in between."""

    def __init__(self, data: bytes, encoding: str | None, element: Path, wanted: Sequence[Wanted]) -> None:
        """Raises XmlError for a document in an encoding that cannot be kept byte for byte."""
        self._data = data
        self._codec, self._bom = _codec(data, encoding)
        self.spans: list[list[Span]] = [[] for _ in wanted]
        self.slots: list[Slot | None] = [None for _ in wanted]
        self.whole = Span(self._bom, len(data))
        walker = _Walker(self, element, wanted)
        try:
            walker.parse(data, encoding)
        except (expat.ExpatError, LookupError, UnicodeError) as error:
            raise XmlError(f"cannot be kept byte for byte: {error}") from error

    def text(self, start: int, end: int) -> str:
        """The document's text from ``start`` to ``end``."""
        return self._data[start:end].decode(self._codec)

    def with_lines(self, span: Span) -> Span:
        """``span`` and the rest of its lines, where nothing else stands on them."""
        before = self._line_before(span.start)
        start = span.start - len(before.encode(self._codec)) if not before.strip() else span.start
        after = re.match(r"[ \t]*\r?\n", self.text(span.end, min(len(self._data), span.end + 512)))
        return Span(start, span.end + len(after[0].encode(self._codec)) if after else span.end)

    def indent(self, offset: int) -> int:
        """How many blanks the line of ``offset`` begins with."""
        line = self._line_before(offset)
        return len(line[: len(line) - len(line.lstrip())].expandtabs(_TAB))

    def is_end_tag(self, offset: int) -> bool:
        """Whether an end tag begins at ``offset``."""
        return self._data.startswith("</".encode(self._codec), offset)

    def behind_tag(self, offset: int) -> int:
        """The end of the end tag that begins at ``offset``."""
        mark = ">".encode(self._codec)
        return self._data.index(mark, offset) + len(mark)

    def _line_before(self, offset: int) -> str:
        mark = "\n".encode(self._codec)
        start = self._data.rfind(mark, 0, offset)
        return self.text(self._bom if start < 0 else start + len(mark), offset)


class _Walker:
    """Follows the document element by element."""

    def __init__(self, ranges: Ranges, element: Path, wanted: Sequence[Wanted]) -> None:
        self._ranges = ranges
        self._element = element
        self._wanted = wanted
        self._stack: list[str] = []
        self._starts: list[int] = []
        self._seen: set[Path] = set()  # paths whose first element is over
        self._deepest = max(len(element), *(len(one.container) + 1 for one in wanted))
        self._parser = expat.ParserCreate()

    def parse(self, data: bytes, encoding: str | None) -> None:
        self._parser = expat.ParserCreate(encoding)
        self._parser.ordered_attributes = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.Parse(data, True)  # noqa: FBT003 - expat's own signature

    def _start(self, name: str, _attributes: list[str]) -> None:
        self._stack.append(name)
        self._starts.append(self._parser.CurrentByteIndex)

    def _end(self, _name: str) -> None:
        here = self._parser.CurrentByteIndex
        closed = not self._ranges.is_end_tag(here)
        span = Span(self._starts.pop(), here if closed else self._ranges.behind_tag(here))
        path = tuple(self._stack)
        self._stack.pop()
        if len(path) > self._deepest:
            return
        if path == self._element and len(path) > 1 and path not in self._seen:
            self._ranges.whole = span
        for number, wanted in enumerate(self._wanted):
            if path[:-1] == wanted.container and path[:-1] not in self._seen:
                self._note(number, wanted, path[-1], span)
            elif path == wanted.container and path not in self._seen and not closed:
                self._note_end(number, span, here)
        self._seen.add(path)

    def _note(self, number: int, wanted: Wanted, name: str, span: Span) -> None:
        if name == wanted.name:
            self._ranges.spans[number].append(span)
        elif name in wanted.before:
            self._ranges.slots[number] = Slot(self._ranges.with_lines(span).end, self._starts[-1])

    def _note_end(self, number: int, container: Span, end_tag: int) -> None:
        if self._ranges.slots[number] is None:
            offset = self._ranges.with_lines(Span(end_tag, end_tag)).start
            self._ranges.slots[number] = Slot(offset, container.start)


def _codec(data: bytes, encoding: str | None) -> tuple[str, int]:
    """Python's name of the document's encoding, and the length of its byte order mark."""
    shown = shown_encoding(data)
    if encoding is not None:
        return encoding, shown.mark if shown is not None and shown.codec == encoding else 0
    return (declared_encoding(data) or "utf-8", 0) if shown is None else (shown.codec, shown.mark)
