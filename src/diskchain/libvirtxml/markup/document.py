"""One XML document as a tree that may come from anywhere, and the way back from its elements to lines.

Knows XML; must not know what libvirt's elements mean. No document type and so no entity, no network, bounded size and
depth; whatever is wrong is an :class:`XmlError` with the line.
"""

from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, NoReturn, Protocol, cast
from xml.parsers import expat

from lxml import etree

from diskchain.errors import XmlError
from diskchain.units import MiB

#: More than any domain; a tree takes about ten times the bytes of its document.
MAX_DOCUMENT = 256 * MiB

#: libxml2 keeps an element's line in 16 bits and guesses beyond (``XML_PARSE_BIG_LINES``), often wrongly.
_LAST_SURE_LINE = 0xFFFF - 1


def _parser(encoding: str | None, *, recover: bool = False) -> etree.XMLParser:
    return etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        recover=recover,
    )


_PARSERS = {encoding: _parser(encoding) for encoding in (None, "utf-8")}


class Element(Protocol):
    """What this package uses of lxml's elements, whose stubs allow bytes where lxml gives text."""

    tag: Any  # the name; of comments and the like a function
    text: str | None
    nsmap: dict[str | None, str]  # prefixes in scope

    def get(self, name: str, /) -> str | None:
        """An attribute."""

    def items(self) -> list[tuple[str, str]]:
        """All attributes, in order."""

    def iter(self, *names: str) -> "Iterator[Element]":
        """The element and all below it that have one of these names, in document order."""

    def iterchildren(self, *names: str) -> "Iterator[Element]":
        """The children that have one of these names."""

    def find(self, path: str, /) -> "Element | None":
        """The first element at a path of names."""

    def xpath(self, path: str, /) -> Any:
        """What an XPath expression selects."""

    def __iter__(self) -> "Iterator[Element]": ...

    def __len__(self) -> int: ...


class Refusal(Exception):
    """Something about ``element`` that libvirt's parser refuses. ``allowed`` lists the accepted values, if few.

    Never leaves this package: :meth:`Document.reading` turns it into an XmlError.
    """

    def __init__(self, element: Element, problem: str, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(problem)
        self.element = element
        self.problem = problem
        self.allowed = allowed


def refuse(element: Element, problem: str, allowed: tuple[str, ...] = ()) -> NoReturn:
    """Raise a :class:`Refusal`."""
    raise Refusal(element, problem, allowed)


class Document:
    """A parsed document. ``data`` are its bytes, ``root`` its tree, ``origin`` its name in errors.

    ``encoding`` is what the bytes are in, whatever they say themselves; None: they say it.
    """

    __slots__ = ("data", "encoding", "origin", "root")

    def __init__(self, text: "bytes | str", origin: str | None = None) -> None:
        """Raises XmlError when ``text`` is malformed, too large or too deep, or has a document type."""
        self.origin = origin
        self.data = text if isinstance(text, bytes) else _encoded(text, origin)
        self.encoding = None if isinstance(text, bytes) else "utf-8"
        if len(self.data) > MAX_DOCUMENT:
            raise XmlError(f"larger than {MAX_DOCUMENT // MiB} MiB", origin=origin)
        try:
            tree = _tree(self.data, self.encoding)
        except etree.XMLSyntaxError as error:
            raise XmlError(_without_position(error), origin=origin, line=error.lineno) from error
        except (ValueError, LookupError) as error:  # an encoding nobody knows
            raise XmlError(f"not XML: {error}", origin=origin) from error
        if tree.getroottree().docinfo.internalDTD is not None:
            raise XmlError("has a document type, which could define entities", origin=origin, line=self._type_line())
        self.root = cast("Element", tree)

    @contextmanager
    def reading(self) -> Iterator[Element]:
        """The root, for reading; what is refused inside leaves as an XmlError with origin and line."""
        try:
            yield self.root
        except Refusal as refusal:
            raise XmlError(
                refusal.problem, origin=self.origin, line=self.line(refusal.element), allowed=refusal.allowed
            ) from None

    def line(self, element: Element) -> int | None:
        """The line ``element`` begins on, from 1; None when that cannot be told. Beyond line 65,534: one more pass."""
        return self.lines([element])[0]

    def lines(self, elements: Sequence[Element]) -> list[int | None]:
        """The line of each of ``elements``, as :meth:`line` has it; one more pass at most, for all of them."""
        lines: list[int | None] = [getattr(element, "sourceline", None) for element in elements]
        far = {elements[n] for n, line in enumerate(lines) if line is not None and line > _LAST_SURE_LINE}
        if not far:
            return lines
        ordinals = {n: element for n, element in enumerate(self.root.iter("*")) if element in far}
        found = {ordinals[n]: line for n, line in self._lines_of_start_tags(ordinals).items()}
        return [found.get(one) if one in far else line for one, line in zip(elements, lines, strict=True)]

    def _lines_of_start_tags(self, ordinals: Container[int]) -> dict[int, int]:
        """The line of each start tag whose number, from 0, is in ``ordinals``."""
        parser = expat.ParserCreate(self.encoding)
        lines: dict[int, int] = {}
        numbers = count()

        def start(_name: str, _attributes: list[str]) -> None:
            number = next(numbers)
            if number in ordinals:
                lines[number] = parser.CurrentLineNumber

        parser.ordered_attributes = True
        parser.StartElementHandler = start
        with suppress(expat.ExpatError):
            parser.Parse(self.data, True)  # noqa: FBT003 - expat's own signature
        return lines

    def _type_line(self) -> int | None:
        before = self.data.find(b"<!DOCTYPE")
        return None if before < 0 else self.data.count(b"\n", 0, before) + 1


#: What every ``parse_*`` takes.
Text = bytes | str | Document


def as_document(text: Text, origin: str | None = None) -> Document:
    """``text`` as a document; ``origin`` is its name in errors."""
    return text if isinstance(text, Document) else Document(text, origin)


def _encoded(text: str, origin: str | None) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise XmlError("holds a lone surrogate, which is no character", origin=origin, line=line) from error


def _tree(data: bytes, encoding: str | None) -> etree._Element:
    try:
        return etree.fromstring(data, _PARSERS[encoding])
    except etree.XMLSyntaxError:
        tree = _with_undeclared_prefixes(data, encoding)
        if tree is None:
            raise
        return tree


def _with_undeclared_prefixes(data: bytes, encoding: str | None) -> etree._Element | None:
    """Accept prefixes nobody declared, as libvirt does: common in a ``<disk>`` cut out of its domain."""
    parser = _parser(encoding, recover=True)
    tree = etree.fromstring(data, parser)
    undeclared = all(entry.domain == etree.ErrorDomains.NAMESPACE for entry in parser.error_log)
    return tree if undeclared else None


def _without_position(error: etree.XMLSyntaxError) -> str:
    # libxml2 ends some of its messages with a line end, which lxml spells out.
    return str(error.msg or "not XML").partition(", line ")[0].strip().removesuffix("\\n")
