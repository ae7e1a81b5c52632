"""Name the secret of one layer in a document, and change no other byte.

Knows where libvirt looks for ``<encryption>``: in a layer's ``<source>``, and for the top image also in ``<disk>``, the older
place. Must not know whether the secret exists.
"""

from diskchain.errors import UsageError
from diskchain.libvirtxml.edit.set_source import layer_element
from diskchain.libvirtxml.format.secrets import encryption_element
from diskchain.libvirtxml.markup.byte_edits import Edit, Element, Encoding, apply, locate
from diskchain.libvirtxml.markup.encoding import edited_as_utf8
from diskchain.libvirtxml.markup.style_detection import handwriting
from diskchain.storage.encryption import Encryption


def set_encryption(document: bytes, disk: int, layer: int, encryption: Encryption, origin: str | None = None) -> bytes:
    """``document`` with ``encryption`` for one layer, in the place of what it said before.

    ``disk`` counts from 0 in document order, ``layer`` from 0 at the top. Raises XmlError as
    :func:`~diskchain.libvirtxml.markup.byte_edits.locate` does, UsageError when the document has no such layer.
    """
    return edited_as_utf8(document, lambda narrow: _with_encryption(narrow, disk, layer, encryption, origin), origin)


def _with_encryption(document: bytes, disk: int, layer: int, encryption: Encryption, origin: str | None) -> bytes:
    layout = locate(document, origin)
    owner = layer_element(layout.disks[disk], layer)
    source = owner.child("source")
    if source is None:
        raise UsageError("the layer has no <source>")
    old = source.child("encryption") or (owner.child("encryption") if layer == 0 else None)
    if old is not None:
        parent = source if old in source.children else owner
        text = handwriting(document, layout.encoding, parent, old).rewrite(encryption_element("", encryption))
        edit = Edit(old.start, old.end, layout.encoding.encode(text))
    else:
        edit = _insertion(document, layout.encoding, owner, source, encryption)
    return apply(document, [edit])


def _insertion(document: bytes, encoding: Encoding, owner: Element, source: Element, encryption: Encryption) -> Edit:
    """``<encryption>`` as the last child of ``<source>``, which may have to become an element with content."""
    inside = source.elements()
    if inside:
        hand, place = handwriting(document, encoding, source, inside[-1]), inside[-1].end
    else:
        hand, place = handwriting(document, encoding, owner, source).deeper(), source.start_tag_end
    text = hand.line() + hand.rewrite(encryption_element("", encryption))
    if not source.self_closed:
        closing = "" if inside else handwriting(document, encoding, owner, source).line()
        return Edit(place, place, encoding.encode(text + closing))
    outside = handwriting(document, encoding, owner, source).line()
    return Edit(source.end - len(encoding.encode("/>")), source.end, encoding.encode(f">{text}{outside}</source>"))
