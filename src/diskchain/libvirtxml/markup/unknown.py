"""What a document says and the model does not know: found while reading, put back after writing.

Reading fills lists of :class:`~diskchain.storage.foreign.Foreign`. Writing knows nothing of them: :func:`restore` takes
the finished element, puts each stranger where it stood, and lays the element out again. So strangers cost nothing where
there are none. Names libvirt knows but has no use for at that place are no strangers: they are dropped, as libvirt does.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, cast

from lxml import etree

from diskchain.libvirtxml.markup.document import Document, Element
from diskchain.libvirtxml.markup.writer import attribute, escape_text
from diskchain.storage.foreign import Foreign

NOTHING: frozenset[str] = frozenset()

_XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"


def attributes(element: Element, known: frozenset[str], place: str, found: list[Foreign]) -> dict[str, str]:
    """The attributes of ``element``; those not ``known`` go to ``found``."""
    names = dict(element.items())
    if not known.issuperset(names):
        note_attributes(element, [name for name in names if name not in known], place, found)
    return names


def note_attributes(element: Element, names: Iterable[str], place: str, found: list[Foreign]) -> None:
    """Remember attributes of ``element``, by lxml's names, as strangers; the namespaces they need go first."""
    for name in names:
        for text in _attribute_texts(element, name):
            stranger = Foreign(place, None, text)
            if stranger not in found:
                found.append(stranger)


def note_element(element: Element, after: str, place: str, found: list[Foreign]) -> None:
    """Remember ``element``, a child at ``place`` behind its known sibling ``after``, as a stranger."""
    alone = cast("Any", deepcopy(element))  # takes along the namespaces it uses, and no others
    found.append(Foreign(place, after, etree.tostring(alone, encoding="unicode", with_tail=False)))


def children(element: Element, known: frozenset[str], place: str, found: list[Foreign]) -> dict[str, list[Element]]:
    """The children of ``element`` by name; those not ``known`` go to ``found``."""
    by_name: dict[str, list[Element]] = {}
    before = ""
    for child in element:
        name = child.tag
        if name in known:
            before = name
            if name in by_name:
                by_name[name].append(child)
            else:
                by_name[name] = [child]
        elif isinstance(name, str):  # comments and the like have a function for a name
            note_element(child, before, place, found)
    return by_name


def words(names: str) -> frozenset[str]:
    """A set of names from a line of them."""
    return frozenset(names.split())


def within(element: Element, known: frozenset[str], place: str, found: list[Foreign]) -> dict[str, list[Element]]:
    """The same of an element that has no attributes of its own: all it has are strangers."""
    attributes(element, NOTHING, place, found)
    return children(element, known, place, found)


def numbered(place: str, position: int) -> str:
    """``place`` for the child of that name at ``position``, from 0: ``source/host``, ``source/host[2]`` and so on."""
    return f"{place}[{position + 1}]" if position else place


def _attribute_texts(element: Element, name: str) -> Iterator[str]:
    value = str(element.get(name))
    if not name.startswith("{"):
        yield attribute(name, value).lstrip()
        return
    namespace, _, local = name[1:].partition("}")
    if namespace == _XML_NAMESPACE:
        yield attribute(f"xml:{local}", value).lstrip()
        return
    prefix = next(prefix for prefix, uri in element.nsmap.items() if uri == namespace and prefix)
    yield attribute(f"xmlns:{prefix}", namespace).lstrip()
    yield attribute(f"{prefix}:{local}", value).lstrip()


class _Node:
    """An element being laid out anew: its known half from lxml, strangers as text."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: str = "", text: str = "") -> None:
        self.name = name
        self.attributes = attributes
        self.text = text
        self.children: list[_Node | str] = []

    def lay_out(self, pad: str) -> str:
        start = f"{pad}<{self.name}{self.attributes}"
        if self.children:
            inner = "".join(
                f"{pad}  {child}\n" if isinstance(child, str) else child.lay_out(pad + "  ") for child in self.children
            )
            return f"{start}>\n{inner}{pad}</{self.name}>\n"
        return f"{start}>{escape_text(self.text)}</{self.name}>\n" if self.text else f"{start}/>\n"


def restore(xml: str, strangers: Iterable[Foreign], order: Mapping[str, tuple[str, ...]]) -> str:
    """``xml``, one element laid out by us, with the ``strangers`` in their places.

    ``order`` has, by the name of an element, the names of its known children in the order libvirt writes them: a place
    that writing left out, because nothing known was there, is made again in its turn.
    """
    pad = xml[: len(xml) - len(xml.lstrip(" "))]
    root = _nodes(Document(xml).root)
    for stranger in strangers:
        node = _at(root, stranger.place, order)
        if stranger.after is None:
            node.attributes += f" {stranger.text}"
        else:
            node.children.insert(_behind(node, stranger.after, order), stranger.text)
    return root.lay_out(pad)


def _nodes(element: Element) -> _Node:
    known = "".join(attribute(name, value) for name, value in element.items())
    node = _Node(str(element.tag), known, "" if len(element) else element.text or "")
    node.children.extend(map(_nodes, element))
    return node


def _at(node: _Node, place: str, order: Mapping[str, tuple[str, ...]]) -> _Node:
    for step in filter(None, place.split("/")):
        name, _, position = step.partition("[")
        same = [child for child in node.children if isinstance(child, _Node) and child.name == name]
        nth = int(position.rstrip("]")) if position else 1
        if nth > len(same):
            made = _Node(name)
            node.children.insert(_behind(node, name, order), made)
            same, nth = [made], 1
        node = same[nth - 1]
    return node


def _behind(node: _Node, name: str, order: Mapping[str, tuple[str, ...]]) -> int:
    """The first slot after every child up to and with ``name`` in the known order, and after their strangers."""
    names = order.get(node.name, ())
    earlier = set(names[: names.index(name) + 1]) if name in names else {name}
    slot = 0
    for position, child in enumerate(node.children):
        if isinstance(child, _Node):
            if child.name in earlier:
                slot = position + 1
        elif position == slot:
            slot += 1
    return slot
