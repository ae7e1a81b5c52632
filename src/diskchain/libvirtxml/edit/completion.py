"""Write what was detected into a document, and take it out again to the byte.

:func:`complete` fills in the ``<backingStore>`` and ``<dataStore>`` elements that a document leaves to detection;
:func:`strip` removes them. Both change nothing else. Knows where libvirt looks for these elements; must not know how a
chain is discovered.

What is inserted follows a comment, by which it is found again: ``<!-- detected by diskchain -->``. libvirt drops
comments, so what comes back from it can no longer be stripped.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Any, Final

from diskchain.errors import UsageError
from diskchain.guest.disk import Disk
from diskchain.libvirtxml.codec import format_backing_store, format_data_store
from diskchain.libvirtxml.markup.byte_edits import (
    DISK_PATHS,
    WHITESPACE,
    Comment,
    Edit,
    Element,
    Encoding,
    apply,
    locate,
)
from diskchain.libvirtxml.markup.document import as_document, refuse
from diskchain.libvirtxml.markup.encoding import edited_as_utf8
from diskchain.libvirtxml.markup.style_detection import Handwriting, handwriting
from diskchain.libvirtxml.markup.writer import escape
from diskchain.libvirtxml.parse.disk import read_disk
from diskchain.libvirtxml.view import View
from diskchain.storage.location import NetworkLocation, describe_location
from diskchain.storage.source import UNKNOWN, Source, layers
from diskchain.storage.terms import Protocol

_READ_PATHS: Final = (*DISK_PATHS, ("domstatus", "domain", "devices", "disk"))
_READ_ROOTS: Final = frozenset(path[0] for path in _READ_PATHS)

MARKER: Final = "detected by diskchain"
#: Before the data file of a ``<source …/>`` that had no content, so that it gets its short form back.
MARKER_IN_EMPTY: Final = f"{MARKER} in an empty source"


def declared_disks(document: bytes, origin: str | None = None) -> list[Disk]:
    """What each disk of ``document`` says itself, in document order: those that :func:`complete` wants chains for.

    Those of a ``<domstatus>``, which nobody but libvirt writes, too. Raises XmlError for what is malformed, for a document that has
    no disks by its kind, and for a disk that libvirt's parser refuses.
    """
    with as_document(document, origin).reading() as root:
        if root.tag not in _READ_ROOTS:
            refuse(root, f"<{root.tag}> has no disks with a backing chain")
        view = View.STATUS if root.tag == "domstatus" else View.LIVE
        return [read_disk(disk, view) for disk in root.iter("disk") if _path(disk) in _READ_PATHS]


def _path(element: Any) -> tuple[str, ...]:
    above = (str(ancestor.tag) for ancestor in element.iterancestors())
    return (*reversed([*above]), str(element.tag))


def complete(document: bytes, chains: Sequence[Source | None], origin: str | None = None) -> bytes:
    """``document`` with what its disks leave open filled in from ``chains``: one per disk, in document order, or None.

    What the document says itself stays, whatever the chain says. A chain that ends UNKNOWN is written as far as it goes,
    so libvirt looks below it. Layers that are not in the document need a format and must not be :func:`unwritable`.
    Raises XmlError as :func:`~diskchain.libvirtxml.markup.byte_edits.locate` does, ValueError when ``chains`` is not one per disk.
    """
    return edited_as_utf8(document, lambda narrow: _completed(narrow, chains, origin), origin)


def _completed(document: bytes, chains: Sequence[Source | None], origin: str | None) -> bytes:
    layout = locate(document, origin)
    edits: list[Edit] = []
    for disk, chain in zip(layout.disks, chains, strict=True):
        if chain is not None:
            edits += _insertions(document, layout.encoding, disk, chain)
    return apply(document, edits)


def strip(document: bytes, disks: Collection[int] | None = None, origin: str | None = None) -> bytes:
    """``document`` without what :func:`complete` put in; only in these ``disks``, counted from 0 in document order.

    Raises XmlError.
    """
    return edited_as_utf8(document, lambda narrow: _stripped(narrow, disks, origin), origin)


def _stripped(document: bytes, disks: Collection[int] | None, origin: str | None) -> bytes:
    layout = locate(document, origin)
    chosen = [disk for number, disk in enumerate(layout.disks) if disks is None or number in disks]
    return apply(document, [edit for disk in chosen for edit in _removals(document, layout.encoding, disk)])


def unwritable(chain: Source) -> str | None:
    """The first string in ``chain`` that no XML document can hold, or None: a control character, a byte that is no UTF-8.

    So is what is nameless on a server: libvirt (9.0, 11.3) reads no such source again that it wrote down itself.
    """
    for layer in layers(chain):
        location = layer.location
        if isinstance(location, NetworkLocation) and not location.name and location.protocol is not Protocol.NBD:
            return describe_location(location)
        for text in _strings(layer._replace(backing=UNKNOWN, reference=None, runtime=None)):
            try:
                escape(text)
            except UsageError:
                return text
    return None


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _strings(part)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _strings(getattr(value, field.name))


def _insertions(document: bytes, encoding: Encoding, disk: Element, top: Source) -> Iterator[Edit]:
    element, layer = disk, top
    while (source := element.child("source")) is not None:
        if layer.data_file is not None and source.child("dataStore") is None and element.child("dataStore") is None:
            yield _data_file(document, encoding, element, source, layer.data_file)
        below, store = layer.backing, element.child("backingStore")
        if store is None:
            if below is not UNKNOWN:
                hand = handwriting(document, encoding, element, source)
                text = _marked(hand, format_backing_store(below, view=View.LIVE))
                yield Edit(source.end, source.end, encoding.encode(text))
            return
        if not isinstance(below, Source):
            return
        element, layer = store, below


def _data_file(document: bytes, encoding: Encoding, parent: Element, source: Element, data_file: Source) -> Edit:
    """``<dataStore>`` comes last in ``<source>``, which may have to become an element with content."""
    inside = source.elements()
    if inside:
        hand, place = handwriting(document, encoding, source, inside[-1]), inside[-1].end
    else:
        hand, place = handwriting(document, encoding, parent, source).deeper(), source.start_tag_end
    markup = format_data_store(data_file, view=View.LIVE)
    if not source.self_closed:
        return Edit(place, place, encoding.encode(_marked(hand, markup)))
    outside = handwriting(document, encoding, parent, source).line()
    text = f">{_marked(hand, markup, MARKER_IN_EMPTY)}{outside}</source>"
    return Edit(source.end - len(encoding.encode("/>")), source.end, encoding.encode(text))


def _marked(hand: Handwriting, markup: str, marker: str = MARKER) -> str:
    return f"{hand.line()}<!-- {marker} -->{hand.line()}{hand.rewrite(markup)}"


def _removals(document: bytes, encoding: Encoding, disk: Element) -> Iterator[Edit]:
    element: Element | None = disk
    while element is not None:
        source = element.child("source")
        if source is not None:
            yield from _removal(document, encoding, source, "dataStore")
        removal = _removal(document, encoding, element, "backingStore")
        yield from removal
        element = None if removal else element.child("backingStore")


def _removal(document: bytes, encoding: Encoding, parent: Element, name: str) -> list[Edit]:
    """What takes out the marked child ``name`` of ``parent``, with its marker and the white space before that."""
    done = parent.start_tag_end
    for comment, element in pairwise(parent.children):
        start = _back_over_blanks(document, encoding, done, comment.start)
        done = comment.end
        if not isinstance(comment, Comment) or not isinstance(element, Element) or element.name != name:
            continue
        marker = comment.text.strip(WHITESPACE)
        if marker not in (MARKER, MARKER_IN_EMPTY) or not _blank(document, encoding, comment.end, element.start):
            continue
        if (
            marker == MARKER_IN_EMPTY
            and start == parent.start_tag_end
            and _blank(document, encoding, element.end, parent.end_tag_start)
        ):
            bracket = parent.start_tag_end - len(encoding.encode(">"))
            return [Edit(bracket, parent.end, encoding.encode("/>"))]
        return [Edit(start, element.end, b"")]
    return []


def _back_over_blanks(document: bytes, encoding: Encoding, first: int, last: int) -> int:
    """Where the white space that ends at ``last`` begins, not before ``first``."""
    text = encoding.decode(document[first:last])
    return last - len(encoding.encode(" ")) * (len(text) - len(text.rstrip(WHITESPACE)))


def _blank(document: bytes, encoding: Encoding, first: int, last: int) -> bool:
    return _back_over_blanks(document, encoding, first, last) == first
