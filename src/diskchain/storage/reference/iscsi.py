"""iSCSI URLs as libiscsi reads them, which is not as RFC 3986 has it; QEMU hands them over whole.

Knows ``iscsi_parse_full_url`` of libiscsi 1.19, measured: the first ``@`` anywhere ends the login, ``%`` or ``:`` parts it, ``#``
means nothing, hosts are not unescaped, and of two escapes side by side only the first one is resolved.
"""

import re
from typing import Final

from diskchain.errors import ReferenceSyntaxError, UnsupportedReference
from diskchain.storage.location import NetworkHost, NetworkLocation
from diskchain.storage.reference.uri_parts import checked, named, port_number
from diskchain.storage.reference.value import Reference
from diskchain.storage.terms import DEFAULT_PORTS, Protocol

#: An escape, and the character after it, which libiscsi steps over.
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})(.?)", re.DOTALL)
_SIDE_BY_SIDE: Final = re.compile(r"%..%")
_PORTAL: Final = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:]+))(?::([0-9]*))?")
#: Digits of the largest unit libiscsi does not cut.
_UNIT_DIGITS: Final = 9


def parse_iscsi_url(text: str) -> Reference:
    """What ``iscsi://[USER[%PASSWORD]@]HOST[:PORT]/TARGET/LUN`` names. Raises ReferenceSyntaxError."""
    login, at, rest = text.removeprefix("iscsi://").partition("?")[0].partition("@")
    if not at:
        login, rest = "", login
    user, _, password = login.partition("%" if "%" in login else ":")
    portal, _, path = rest.partition("/")
    target, _, unit = path.partition("/")
    server = _PORTAL.fullmatch(portal)
    if server is None:
        raise ReferenceSyntaxError("an iSCSI URL without a host, or with one that is none")
    target = _unescaped(target)
    if "/" in target:
        raise UnsupportedReference("an iSCSI target with a slash in its name", driver=Protocol.ISCSI)
    if len(unit) > _UNIT_DIGITS or not (unit.isascii() and unit.isdecimal()):
        raise ReferenceSyntaxError("an iSCSI URL without the number of a unit")
    port = None if server[3] is None else port_number(server[3])
    host = NetworkHost(server[1] or server[2], port or DEFAULT_PORTS[Protocol.ISCSI])
    location = NetworkLocation(Protocol.ISCSI, named(Protocol.ISCSI, f"{target}/{int(unit)}"), (host,))
    # libiscsi logs in with both or not at all.
    return Reference(location, user=_unescaped(user) or None, credentials=("password",) if password else ())


def survives(escaped_target: str) -> bool:
    """Whether libiscsi reads a target, escaped as URIs are, as it was meant."""
    return "@" not in escaped_target and _SIDE_BY_SIDE.search(escaped_target) is None


def _unescaped(text: str) -> str:
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ReferenceSyntaxError("an iSCSI URL with a character that no encoding has") from None
    raw = _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)) + found[2], raw)
    return checked(raw.decode("utf-8", "surrogateescape"))
