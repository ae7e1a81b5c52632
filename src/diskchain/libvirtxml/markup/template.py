"""Everything in a document around the parts that are modelled, byte for byte, and the lines of all of it.

A frame costs nothing until somebody writes the document, compares it or asks for a line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from diskchain.libvirtxml.markup.byte_ranges import Ranges, Span, Wanted
from diskchain.libvirtxml.markup.document import Document, Element

_STEP = 2  # blanks a level, where the document does not show its own


@dataclass(frozen=True, slots=True)
class Hole:
    """A part that is modelled: the children ``name`` of what is at ``path`` below the element (nothing: of itself).

    ``before`` names the siblings a new part stands behind when the document has none yet.
    """

    path: tuple[str, ...]
    name: str
    before: tuple[str, ...] = ()


class Frame:
    """What stands around the ``holes`` of an element. Frames are equal when that is the same text.

    ``document`` is the document the element came from, ``element`` its tree, for those who need more of it. ``path``
    leads from the root to the element; the first of each name.
    """

    def __init__(self, document: Document, element: Element, path: tuple[str, ...], holes: Sequence[Hole]) -> None:
        self.document = document
        self.element = element
        self._path = path
        self._holes = tuple(holes)

    def line(self, path: str = "") -> int | None:
        r"""The line of what is at ``path`` below the element, or of the nearest above it that exists.

        >>> document = Document("<a>\n<b/>\n<b>\n<c/></b></a>")
        >>> frame = Frame(document, document.root, ("a",), ())
        >>> frame.line("b[2]"), frame.line("b[2]/c"), frame.line("b[2]/c/d"), frame.line("x")
        (3, 4, 4, 1)
        """
        element = self.element
        for step in filter(None, path.split("/")):
            name, _, position = step.partition("[")
            nth = int(position.rstrip("]")) - 1 if position else 0
            below = next(islice(element.iterchildren(name), nth, None), None)
            if below is None:
                break
            element = below
        return self.document.line(element)

    def fill(self, parts: Sequence[str]) -> str:
        """The text with a part, whole lines or nothing, in each hole. See :meth:`indent`."""
        text = ""
        for piece in self._cut[0]:
            if isinstance(piece, str):
                text += piece
            elif parts[piece]:
                text += parts[piece] if text.endswith("\n") or not text else "\n" + parts[piece]
        return text

    def indent(self, hole: int) -> int | None:
        """How many blanks the lines of that hole begin with; None when the document has no place for it."""
        return self._cut[1][hole]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frame) and self._cut[0] == other._cut[0]

    def __hash__(self) -> int:
        return hash((self._path, self._holes))

    def __repr__(self) -> str:
        return f"<Frame of <{self.element.tag}>>"

    @cached_property
    def _cut(self) -> tuple[list[str | int], list[int | None]]:
        """The text, with numbers where the holes are, and the indentation of each hole. Raises XmlError."""
        ranges = Ranges(
            self.document.data,
            self.document.encoding,
            self._path,
            [Wanted(self._path + hole.path, hole.name, hole.before) for hole in self._holes],
        )
        cuts: list[tuple[Span, int | None]] = []
        indents: list[int | None] = []
        for number, (spans, slot) in enumerate(zip(ranges.spans, ranges.slots, strict=True)):
            indent = None
            if spans:
                indent = ranges.indent(spans[0].start)
                cuts += [(ranges.with_lines(span), None if n else number) for n, span in enumerate(spans)]
            elif slot is not None:
                indent = ranges.indent(slot.container) + _STEP
                cuts.append((Span(slot.offset, slot.offset), number))
            indents.append(indent)
        pieces: list[str | int] = []
        done = ranges.whole.start
        for span, hole in sorted(cuts, key=lambda cut: (cut[0].start, cut[0].end)):
            pieces.append(ranges.text(done, span.start))
            pieces += [] if hole is None else [hole]
            done = span.end
        return [*pieces, ranges.text(done, ranges.whole.end)], indents
