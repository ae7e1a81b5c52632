"""Change the place or the format of one layer in a document, and no other byte.

Knows where libvirt keeps them: the place in an attribute of ``<source>``, the format of the top image in ``<driver>``, that of a layer
below in ``<format>``. Must not know whether there is anything at the new place.
"""

import re
from typing import Final

from diskchain.errors import UsageError
from diskchain.libvirtxml.markup.byte_edits import WHITESPACE, Edit, Element, Encoding, apply, locate
from diskchain.libvirtxml.markup.encoding import edited_as_utf8
from diskchain.libvirtxml.markup.writer import escape

#: The attribute of ``<source>`` that says where, by preference: a file, a device, a directory, a name on a server, a volume.
_PLACES: Final = ("file", "dev", "dir", "name", "volume", "path")


def set_source(
    document: bytes,
    disk: int,
    layer: int,
    *,
    path: str | None = None,
    format: str | None = None,
    origin: str | None = None,
) -> bytes:
    """``document`` with another ``path`` or ``format`` for one layer, in the place of what it said.

    ``disk`` counts from 0 in document order, ``layer`` from 0 at the top. Raises XmlError as
    :func:`~diskchain.libvirtxml.markup.byte_edits.locate` does, UsageError when the document does not have that layer, or does not say
    where it is or what format it has.
    """

    def edited(narrow: bytes) -> bytes:
        layout = locate(narrow, origin)
        owner = layer_element(layout.disks[disk], layer)
        edits = []
        if path is not None:
            edits.append(_place(narrow, layout.encoding, owner, path))
        if format is not None:
            edits.append(_format(narrow, layout.encoding, owner, top=layer == 0, format=format))
        return apply(narrow, edits)

    return edited_as_utf8(document, edited, origin)


def remove_backing(document: bytes, disk: int, layer: int, origin: str | None = None) -> bytes:
    """``document`` without what it says is below one layer, and without the white space before that.

    Counted as for :func:`set_source`. Raises XmlError, UsageError when the document says nothing of it.
    """

    def edited(narrow: bytes) -> bytes:
        layout = locate(narrow, origin)
        owner = layer_element(layout.disks[disk], layer)
        below = owner.child("backingStore")
        if below is None:
            raise UsageError("the document says nothing of what is below that layer")
        before = max((each.end for each in owner.elements() if each.end <= below.start), default=owner.start_tag_end)
        blank = layout.encoding.decode(narrow[before : below.start])
        kept = len(layout.encoding.encode(blank.rstrip(WHITESPACE)))
        return apply(narrow, [Edit(before + kept, below.end, b"")])

    return edited_as_utf8(document, edited, origin)


def layer_element(disk: Element, layer: int) -> Element:
    """``<disk>`` or the ``<backingStore>`` of a layer, counted from 0 at the top. Raises UsageError."""
    owner = disk
    for _ in range(layer):
        below = owner.child("backingStore")
        if below is None:
            raise UsageError("the document does not have that layer; `diskchain complete` fills it in")
        owner = below
    return owner


def _place(document: bytes, encoding: Encoding, owner: Element, path: str) -> Edit:
    source = owner.child("source")
    if source is None:
        raise UsageError("the layer has no <source>")
    for name in _PLACES:
        edit = _attribute(document, encoding, source, name, path)
        if edit is not None:
            return edit
    raise UsageError("the <source> of the layer does not say where it is")


def _format(document: bytes, encoding: Encoding, owner: Element, *, top: bool, format: str) -> Edit:
    element = owner.child("driver" if top else "format")
    edit = None if element is None else _attribute(document, encoding, element, "type", format)
    if edit is None:
        raise UsageError(f"the layer has no <{'driver' if top else 'format'} type='…'> to change")
    return edit


def _attribute(document: bytes, encoding: Encoding, element: Element, name: str, value: str) -> Edit | None:
    """The edit that gives an attribute another value, in the quotes it has; None where the element has no such attribute."""
    tag = encoding.decode(document[element.start : element.start_tag_end])
    for found in re.finditer(r"""([^\s=<>/'"]+)\s*=\s*("[^"]*"|'[^']*')""", tag):
        if found[1] == name:
            at, end = found.span(2)
            start = element.start + len(encoding.encode(tag[: at + 1]))
            stop = element.start + len(encoding.encode(tag[: end - 1]))
            quoted = escape(value).replace(found[2][0], "&quot;" if found[2][0] == '"' else "&apos;")
            return Edit(start, stop, encoding.encode(quoted))
    return None
