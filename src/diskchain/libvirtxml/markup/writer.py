"""How libvirt lays XML out: one element a line, two spaces a level, single quotes, its own escapes.

Source: libvirt 11.3.0 ``util/virbuffer.c`` (``virBufferEscapeString``) and ``util/virxml.c``
(``virXMLFormatElement``). Three differences, because what is written must read back as the same value. libvirt writes
line breaks and tabs in attributes as they are, and any parser turns them into blanks; we write ``&#10;``. It leaves out
what no XML can hold, such as other control characters; we refuse. And it forgets to escape targets, aliases and the
paths of vhost-user sockets; we do not.
"""

import re

from diskchain.errors import UsageError, printable

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\r": "&#13;"}
_IN_TEXT = re.compile("[&<>\"'\r]")
_IN_ATTRIBUTE = re.compile("[&<>\"'\r\n\t]")
_ATTRIBUTE_ESCAPES = {**_ESCAPES, "\n": "&#10;", "\t": "&#9;"}
_TEXT_TABLE = str.maketrans(_ESCAPES)
_ATTRIBUTE_TABLE = str.maketrans(_ATTRIBUTE_ESCAPES)

# XML 1.0 (fifth edition), production 2 [Char], turned round. U+DC80…U+DCFF stand for bytes that are not UTF-8.
_IMPOSSIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_PLAIN = re.compile(r"[A-Za-z0-9 /._:@+,=\[\]{}()#%~?!;*^|$-]*")


def escape(value: str) -> str:
    """``value`` as it stands between the quotes of an attribute.

    >>> escape("/images/Tom & 'Jerry'")
    '/images/Tom &amp; &apos;Jerry&apos;'

    Raises UsageError when no XML can hold it: control characters, bytes that are not UTF-8.
    """
    if _PLAIN.fullmatch(value):
        return value
    if _IMPOSSIBLE.search(value):
        raise UsageError(f"XML cannot hold {printable(value)!r}")
    return value.translate(_ATTRIBUTE_TABLE)


def escape_text(value: str) -> str:
    """``value`` as it stands between tags. Raises UsageError when no XML can hold it."""
    if _PLAIN.fullmatch(value):
        return value
    if _IMPOSSIBLE.search(value):
        raise UsageError(f"XML cannot hold {printable(value)!r}")
    return value.translate(_TEXT_TABLE)


def attribute(name: str, value: object) -> str:
    """One attribute with the blank before it; nothing when ``value`` is None.

    >>> attribute("bus", "virtio"), attribute("tray", None)
    (" bus='virtio'", '')
    """
    return "" if value is None else f" {name}='{escape(str(value))}'"


def element(pad: str, name: str, attributes: str, children: str = "") -> str:
    """An element; nothing when it has neither attributes nor children."""
    if children:
        return f"{pad}<{name}{attributes}>\n{children}{pad}</{name}>\n"
    return f"{pad}<{name}{attributes}/>\n" if attributes else ""


def leaf(pad: str, name: str, value: object) -> str:
    """An element with text; nothing when ``value`` is None."""
    return "" if value is None else f"{pad}<{name}>{escape_text(str(value))}</{name}>\n"


def switch(value: bool | None) -> str | None:  # noqa: FBT001 - a value of three, not a flag
    """``on`` and ``off``, as libvirt says it."""
    return None if value is None else "on" if value else "off"


def yes_no(value: bool | None) -> str | None:  # noqa: FBT001 - a value of three, not a flag
    """``yes`` and ``no``, as libvirt says it."""
    return None if value is None else "yes" if value else "no"
