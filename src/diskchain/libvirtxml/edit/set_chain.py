"""Change which layers a disk has in a document: leave some out, put one on top. Every other byte stays.

Elements move as they are written, with their secrets and labels. Knows where libvirt keeps a chain: the top in ``<disk>``, each layer
below in the ``<backingStore>`` of the one above. Must not know why.
"""

from diskchain.errors import UsageError
from diskchain.libvirtxml.edit.set_source import layer_element, set_source
from diskchain.libvirtxml.markup.byte_edits import Edit, Element, Encoding, apply, locate
from diskchain.libvirtxml.markup.encoding import edited_as_utf8
from diskchain.libvirtxml.markup.writer import escape


def depth(document: bytes, disk: int, origin: str | None = None) -> int:
    """How many layers a document declares for a disk, the top among them. ``disk`` counts from 0 in document order. Raises XmlError."""
    found = 0

    def counted(narrow: bytes) -> bytes:
        nonlocal found
        owner: Element | None = locate(narrow, origin).disks[disk]
        while owner is not None and (found == 0 or owner.child("source") is not None):
            found += 1
            owner = owner.child("backingStore")
        return narrow

    edited_as_utf8(document, counted, origin)
    return found


def without_layers(document: bytes, disk: int, first: int, last: int, origin: str | None = None) -> bytes:
    """``document`` without the layers from ``first`` to ``last`` of a disk, counted from the top, of which ``first`` is not the top.

    What is below ``last`` comes in their place; where the document does not say what that is, nothing does. Raises XmlError, UsageError.
    """

    def edited(narrow: bytes) -> bytes:
        layout = locate(narrow, origin)
        gone = layer_element(layout.disks[disk], first)
        try:
            kept: Element | None = layer_element(layout.disks[disk], last + 1)
        except UsageError:
            kept = None
        rest = b"" if kept is None else narrow[kept.start : kept.end]
        return apply(narrow, [Edit(gone.start, gone.end, rest)])

    return edited_as_utf8(document, edited, origin)


def with_top_from(document: bytes, disk: int, layer: int, origin: str | None = None) -> bytes:
    """``document`` whose disk begins with the layer at ``layer``, which it declares: all above it is left out. Raises XmlError, UsageError."""

    def edited(narrow: bytes) -> bytes:
        layout = locate(narrow, origin)
        top, below = layout.disks[disk], layer_element(layout.disks[disk], layer)
        old, new, form = top.child("source"), below.child("source"), below.child("format")
        backing, rest = top.child("backingStore"), below.child("backingStore")
        if old is None or new is None or backing is None or form is None:
            raise UsageError("the document does not say where that layer is, and of what format")
        under = b"" if rest is None else narrow[rest.start : rest.end]
        encoding = layout.encoding
        return apply(
            narrow,
            [
                Edit(old.start, old.end, narrow[new.start : new.end]),
                Edit(backing.start, backing.end, under),
                *_same_attribute(narrow, encoding, top, below, "type"),
                *_same_attribute(narrow, encoding, top.child("driver"), form, "type"),
            ],
        )

    return edited_as_utf8(document, edited, origin)


def with_overlay(document: bytes, disk: int, path: str, format: str, origin: str | None = None) -> bytes:
    """``document`` whose disk is in the file ``path`` of ``format``, over what it was in.

    What the document said of that is kept in a ``<backingStore>`` where it says more than a path. Raises XmlError, UsageError.
    """

    def edited(narrow: bytes) -> bytes:
        layout = locate(narrow, origin)
        top, encoding = layout.disks[disk], layout.encoding
        source, driver, backing = top.child("source"), top.child("driver"), top.child("backingStore")
        if source is None:
            raise UsageError("the disk has no <source>")
        if backing is None and source.self_closed and attribute(narrow, encoding, top, "type") in (None, "file"):
            return narrow
        kind = attribute(narrow, encoding, top, "type") or "file"
        form = "raw" if driver is None else attribute(narrow, encoding, driver, "type") or "raw"
        under = b"" if backing is None else narrow[backing.start : backing.end]
        inner = (
            encoding.encode(f"<backingStore type='{escape(kind)}'><format type='{escape(form)}'/>")
            + narrow[source.start : source.end]
            + under
            + encoding.encode("</backingStore>")
        )
        edits = [Edit(source.start, source.end, encoding.encode(f"<source file='{_quoted(path)}'/>"))]
        edits += [Edit(source.end, source.end, inner)] if backing is None else [Edit(backing.start, backing.end, inner)]
        edits += _attribute_edit(narrow, encoding, top, "type", "file")
        return apply(narrow, edits)

    kept = edited_as_utf8(document, edited, origin)
    return set_source(kept, disk, 0, path=path, format=format, origin=origin)


def _quoted(text: str) -> str:
    return escape(text).replace("'", "&apos;")


def attribute(document: bytes, encoding: Encoding, element: Element, name: str) -> str | None:
    """The value of an attribute as it is written; None where the element has none. ``document`` is in UTF-8 or one byte a character."""
    span = _span(document, encoding, element, name)
    return None if span is None else encoding.decode(document[span[0] : span[1]])


def _span(document: bytes, encoding: Encoding, element: Element, name: str) -> tuple[int, int] | None:
    import re

    tag = encoding.decode(document[element.start : element.start_tag_end])
    for found in re.finditer(r"""([^\s=<>/'"]+)\s*=\s*("[^"]*"|'[^']*')""", tag):
        if found[1] == name:
            at, end = found.span(2)
            return (
                element.start + len(encoding.encode(tag[: at + 1])),
                element.start + len(encoding.encode(tag[: end - 1])),
            )
    return None


def _attribute_edit(document: bytes, encoding: Encoding, element: Element, name: str, value: str) -> list[Edit]:
    span = _span(document, encoding, element, name)
    return [] if span is None else [Edit(*span, encoding.encode(value))]


def _same_attribute(
    document: bytes, encoding: Encoding, element: Element | None, pattern: Element, name: str
) -> list[Edit]:
    value = attribute(document, encoding, pattern, name)
    if element is None or value is None:
        raise UsageError("the document does not say of what format the disk is")
    span = _span(document, encoding, element, name)
    if span is None:
        raise UsageError(f"<{element.name}> has no {name} to change")
    return [Edit(*span, encoding.encode(value))]
