"""Everything in a document around the parts that are modelled, kept as it stood, and the lines of all of it.

A frame costs nothing until somebody writes the document, compares it or asks for a line.
"""

import re
from collections.abc import Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any, NamedTuple, cast

from lxml import etree

from diskchain.libvirtxml.document import Document, Element

_INDENT = 2


class Hole(NamedTuple):
    """A part that is modelled: the children ``name`` of what is at ``path`` below the element (``""``: of itself).

    ``before`` names the siblings a new part stands behind when the document has none yet.
    """

    path: str
    name: str
    before: tuple[str, ...] = ()


class Frame:
    """What stands around the ``holes`` of an element. Frames are equal when that is the same text.

    ``document`` is the document the element came from, ``element`` its tree, for those who need more of it.
    """

    def __init__(self, document: Document, element: Element, holes: Sequence[Hole]) -> None:
        self.document = document
        self.element = element
        self._holes = tuple(holes)

    def line(self, path: str = "") -> int | None:
        r"""The line of what is at ``path`` below the element, or of the nearest above it that exists.

        >>> document = Document("<a>\n<b/>\n<b>\n<c/></b></a>")
        >>> frame = Frame(document, document.root, ())
        >>> frame.line("b[2]"), frame.line("b[2]/c"), frame.line("b[2]/c/d"), frame.line("x")
        (3, 4, 4, 1)
        """
        element = self.element
        for step in filter(None, path.split("/")):
            below = element.find(step)
            if below is None:
                break
            element = below
        return self.document.line(element)

    def fill(self, parts: Sequence[str]) -> str:
        """The element's text with a part, whole lines or nothing, in each hole. See :meth:`indent`."""
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
        return hash((self.element.tag, self._holes))

    def __repr__(self) -> str:
        return f"<Frame of <{self.element.tag}>>"

    @cached_property
    def _cut(self) -> tuple[list[str | int], list[int | None]]:
        """The text, with numbers where the holes are, and the indentation of each hole."""
        whole = cast("Any", self.element)
        if self.element is self.document.root:  # with what stands before and behind the root
            tree = deepcopy(whole.getroottree())
            copy = tree.getroot()
        else:
            tree = copy = deepcopy(whole)
            copy.tail = None
        mark = "diskchain-hole"
        while mark.encode() in self.document.data:
            mark += "-"
        indents = [_dig(copy, hole, f"{mark} {position}") for position, hole in enumerate(self._holes)]
        text = re.split(f"[ \\t]*<!--{mark} ([0-9]+)-->\n?", etree.tostring(tree, encoding="unicode"))
        return [int(piece) if odd % 2 else piece for odd, piece in enumerate(text)], indents


def _dig(root: Any, hole: Hole, mark: str) -> int | None:
    """Cut a hole's elements out of ``root`` and leave a mark where the first of them stood; gives its indentation."""
    containers = root.findall(hole.path) if hole.path else [root]
    if not containers:
        return None
    cut = [child for container in containers for child in container.iterchildren(hole.name)]
    comment = etree.Comment(mark)
    if cut:
        first = cut[0]
        indent = _indent_before(first)
        first.addprevious(comment)
        comment.tail = cut[-1].tail
    else:
        container = containers[0]
        slot = max((n + 1 for n, child in enumerate(container) if child.tag in hole.before), default=0)
        indent = _indent_before(container) + _INDENT
        comment.tail = "\n" + " " * (indent - _INDENT)
        container.insert(slot, comment)
    for element in cut:
        element.tail = None
        element.getparent().remove(element)
    return indent


def _indent_before(element: Any) -> int:
    """How many blanks stand between the line's start and ``element``."""
    previous = element.getprevious()
    parent = element.getparent()
    before = previous.tail if previous is not None else parent.text if parent is not None else None
    return len((before or "").rpartition("\n")[2].expandtabs(8))
