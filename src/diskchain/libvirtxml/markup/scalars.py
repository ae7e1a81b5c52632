"""How libvirt reads one attribute or text: numbers, switches, enums. Each reader refuses what libvirt's refuses.

A reader takes the element (for the line), what to call the value, and the text. Source: libvirt 11.3.0
``util/virxml.c`` (``virXMLProp*``, ``virXPath*``) and ``util/virstring.c`` (``virStrToLong_*``: C's ``strtoul``).
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from diskchain.errors import ParseError
from diskchain.libvirtxml.markup.document import Element, refuse
from diskchain.units import parse_size

T = TypeVar("T")
Reader = Callable[[Element, str, str], Any]

UINT_MAX = 0xFFFF_FFFF
_SHOWN = 60  # characters of a value in an error
_QUICK_DIGITS = 9  # fewer than would overflow
_LONGEST_UUID = 200  # characters, blanks and dashes included
ULLONG_MAX = 0xFFFF_FFFF_FFFF_FFFF

_DECIMAL = 10

# What strtoul takes: white space, a sign, digits. Longer digit strings than this overflow anything.
_NUMBER = {
    0: re.compile(r"[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]{1,64}|[0-9]{1,64})", re.ASCII),
    _DECIMAL: re.compile(r"[ \t\n\v\f\r]*([+-]?)([0-9]{1,64})", re.ASCII),
    16: re.compile(r"[ \t\n\v\f\r]*([+-]?)((?:0[xX])?[0-9a-fA-F]{1,64})", re.ASCII),
}

SWITCH = {"on": True, "off": False}
YES_NO = {"yes": True, "no": False}


def shown(text: str) -> str:
    """``text`` fit for an error: short."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def read_number(element: Element, name: str, text: str, base: int = 10, most: int = UINT_MAX) -> int:
    """A number from 0 to ``most``, in C's notation for ``base`` (0: a leading ``0x`` or ``0`` decides)."""
    if base == _DECIMAL and len(text) <= _QUICK_DIGITS and text.isascii() and text.isdigit():
        number: int | None = int(text)
    else:
        number = _strtoul(text, base)
    if number is None or number > most:
        refuse(element, f"{name} is {shown(text)}, not a number from 0 to {most}")
    return number


@lru_cache(maxsize=1024)  # few numbers make up most of a document: parts of addresses, above all
def _strtoul(text: str, base: int) -> int | None:
    match = _NUMBER[base].fullmatch(text)
    return None if match is None or match[1] == "-" else _c_integer(match[2], base)


def _c_integer(digits: str, base: int) -> int | None:
    if base == 0 and len(digits) > 1 and digits[0] == "0":
        base = 16 if digits[1] in "xX" else 8
    try:
        return int(digits, base or _DECIMAL)
    except ValueError:  # "09": C's octal ends before the 9
        return None


def number(base: int = 10, most: int = UINT_MAX, least: int = 0) -> Reader:
    """A reader of numbers from ``least`` to ``most``."""

    def read(element: Element, name: str, text: str) -> int:
        value = read_number(element, name, text, base, most)
        if value < least:
            refuse(element, f"{name} is {shown(text)}, not a number from {least} to {most}")
        return value

    return read


def count_or_none(element: Element, name: str, text: str) -> int | None:
    """A number, where 0 says the same as nothing."""
    return read_number(element, name, text) or None


def one_of(members: Mapping[str, T]) -> Callable[[Element, str, str], T]:
    """A reader of the values in ``members``."""

    def read(element: Element, name: str, text: str) -> T:
        try:
            return members[text]
        except KeyError:
            refuse(element, f"{name} is {shown(text)}", tuple(members))

    return read


def string(_element: Element, _name: str, text: str) -> str:
    """Any text."""
    return text


def big_number(element: Element, name: str, text: str) -> int:
    """A number of 64 bits."""
    return read_number(element, name, text, most=ULLONG_MAX)


def scaled(element: Element, name: str, text: str) -> int:
    """A size with its unit in the ``unit`` attribute, in bytes."""
    value = read_number(element, name, text, most=ULLONG_MAX)
    try:
        return parse_size(str(value), element.get("unit") or "bytes")
    except ParseError as error:
        refuse(element, f"{name}: {error.problem}", error.allowed)


def text_of(element: Element) -> str | None:
    """The element's text, comments left out; None when empty, as libvirt has it."""
    if len(element):
        return str(element.xpath("string()")) or None
    return element.text or None


_HEX32 = re.compile(r"[ \t\n\v\f\r]*((?:[ -]*[0-9a-fA-F]{2}){16})[ \t\n\v\f\r]*", re.ASCII)


def uuid(element: Element, name: str, text: str) -> str:
    """A UUID in its canonical form. libvirt takes any with 16 pairs of hex digits, dashes and blanks in between."""
    match = _HEX32.fullmatch(text) if len(text) <= _LONGEST_UUID else None
    if match is None:
        refuse(element, f"{name} is {shown(text)}, not a UUID")
    digits = match[1].replace("-", "").replace(" ", "").lower()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
