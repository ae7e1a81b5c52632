"""How a document is written around one spot, and new elements written the same way.

Knows line ends, indentation and quotes; must not know what elements mean.
"""

import re
from dataclasses import dataclass, replace

from lxml import etree

from diskchain.libvirtxml.markup.byte_edits import Element, Encoding

# What stands on a line before its first mark; longer ones are not indentation. A lone CR is a line end to XML as well.
_LINE_START = re.compile(r"(\r\n|\n|\r)([ \t]*)\Z")
_LONGEST_INDENT = 256
_LONGEST_STEP = 8
_DEFAULT_STEP = "  "

_QUOTE = re.compile(r"=\s*(['\"])")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_TEXT_ESCAPES = str.maketrans({c: _ESCAPES[c] for c in "&<>\r"})


@dataclass(frozen=True, slots=True)
class Handwriting:
    """``newline`` is empty when all is on one line; ``indent`` is that of the spot, ``step`` is what each level adds."""

    newline: str
    indent: str
    step: str
    quote: str

    def line(self, depth: int = 0) -> str:
        """What comes before an element on a line of its own, ``depth`` levels (from 0) below the spot."""
        return self.newline + (self.indent + self.step * depth if self.newline else "")

    def deeper(self) -> "Handwriting":
        """The same hand one level further in."""
        return replace(self, indent=self.indent + self.step)

    def rewrite(self, markup: str) -> str:
        """The element ``markup`` in this hand, its children on lines of their own. Text is kept; comments are not."""
        return self._write(etree.fromstring(markup), 0)

    def _write(self, element: etree._Element, depth: int) -> str:
        quote = self.quote
        escapes = str.maketrans({**_ESCAPES, quote: "&apos;" if quote == "'" else "&quot;"})
        attributes = "".join(
            f" {key!s}={quote}{str(value).translate(escapes)}{quote}" for key, value in element.items()
        )
        head = f"<{element.tag}{attributes}"
        if len(element):
            children = "".join(self.line(depth + 1) + self._write(child, depth + 1) for child in element)
            return f"{head}>{children}{self.line(depth)}</{element.tag}>"
        if element.text:
            return f"{head}>{element.text.translate(_TEXT_ESCAPES)}</{element.tag}>"
        return f"{head}/>"


def handwriting(document: bytes, encoding: Encoding, parent: Element, beside: Element) -> Handwriting:
    """The hand that wrote ``beside``, a child of ``parent``: what an element next to it should look like."""
    quote = _QUOTE.search(encoding.decode(document[parent.start : parent.start_tag_end]))
    newline, indent = _line_start(document, encoding, beside.start)
    _, outer = _line_start(document, encoding, parent.start)
    step = indent.removeprefix(outer)
    if not 0 < len(step) <= _LONGEST_STEP or not indent.startswith(outer):
        step = "\t" if indent.startswith("\t") else _DEFAULT_STEP
    return Handwriting(newline, indent, step, quote[1] if quote else "'")


def _line_start(document: bytes, encoding: Encoding, start: int) -> tuple[str, str]:
    """The line end and the indentation before ``start``; twice nothing when something else stands on that line."""
    before = encoding.decode(document[max(0, start - 2 * _LONGEST_INDENT) : start])
    match = _LINE_START.search(before)
    return (match[1], match[2]) if match else ("", "")
