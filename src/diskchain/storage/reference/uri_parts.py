"""The parts of a URI, as libvirt and QEMU take it apart."""

import re
from dataclasses import dataclass
from typing import Final

from diskchain.errors import ReferenceSyntaxError, UnsupportedReference
from diskchain.storage.location import NetworkHost, NetworkLocation
from diskchain.storage.reference.value import Reference
from diskchain.storage.terms import DEFAULT_PORTS, Protocol, Transport

#: RFC 3986, section 3.1 and appendix A: what may stand in each part. Percent signs lead two hexadecimal digits everywhere.
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")


_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


_NOT_IN_AUTHORITY: Final = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=%:]")


_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:/?]")


_NOT_IN_PATH: Final = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=%:@/?]")


#: What libcurl refuses (measured with 7.88): it reads everything else as if it were escaped.
_NOT_IN_CURL_URL: Final = re.compile(r"[\x00-\x20\x7f]")


_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")


_PROTOCOLS: Final = {str(protocol): protocol for protocol in Protocol}


#: Protocols read by libcurl: the URL goes to it as it is.
CURL: Final = frozenset({Protocol.HTTP, Protocol.HTTPS, Protocol.FTP, Protocol.FTPS, Protocol.TFTP})


_HTTP: Final = frozenset({Protocol.HTTP, Protocol.HTTPS})


_PORT_MAX: Final = 65535


# Taking a member off its class takes Python 3.11 as long as making a small object.
_TCP: Final = Transport.TCP


_UNIX: Final = Transport.UNIX


_ISCSI: Final = Protocol.ISCSI


_GLUSTER: Final = Protocol.GLUSTER


@dataclass(frozen=True, slots=True)
class Uri:
    """The parts, still escaped. ``host`` without brackets; ``port`` None when absent or 0; ``path`` with its slash, or empty."""

    scheme: str
    userinfo: str | None
    host: str
    port: int | None
    path: str
    query: str | None


def split_uri(text: str, *, curl: bool = False) -> Uri:
    """The parts of a URI; ``curl``: with libcurl's laxness. Raises ReferenceSyntaxError for what is no URI."""
    scheme, _, rest = text.partition("://")
    if not _SCHEME.fullmatch(scheme):
        raise ReferenceSyntaxError("what stands before :// is no protocol")
    rest, _, fragment = rest.partition("#")
    rest, mark, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    userinfo, at, netloc = authority.rpartition("@")
    # Most URIs have nothing that any part could refuse.
    if _UNUSUAL.search(text):
        # libxml2, and QEMU's copy of it, let brackets stand in a fragment.
        _refuse_unescaped(curl, userinfo, path, query, fragment.replace("[", "").replace("]", ""))
    host, port = _host_and_port(netloc)
    return Uri(scheme, userinfo if at else None, host, port, slash + path, query if mark else None)


def _refuse_unescaped(curl: bool, userinfo: str, *parts: str) -> None:  # noqa: FBT001
    """Raise ReferenceSyntaxError for a character in the user part or any other that it may not hold as it is."""
    forbidden = _NOT_IN_CURL_URL if curl else _NOT_IN_PATH
    for part in parts:
        if forbidden.search(part) or _BROKEN_ESCAPE.search(part):
            raise ReferenceSyntaxError("a URI with a character that must be escaped")
    if not curl and (_NOT_IN_AUTHORITY.search(userinfo) or _BROKEN_ESCAPE.search(userinfo)):
        raise ReferenceSyntaxError("a URI with a character in its user part that must be escaped")


def _host_and_port(netloc: str) -> tuple[str, int | None]:
    if netloc.startswith("["):
        host, bracket, rest = netloc[1:].partition("]")
        if not bracket or (rest and rest[0] != ":"):
            raise ReferenceSyntaxError("a URI with an unbalanced bracket in its host")
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = netloc.partition(":")
    if _NOT_IN_AUTHORITY.search(host) or _BROKEN_ESCAPE.search(host):
        raise ReferenceSyntaxError("a URI with a character in its host that must be escaped")
    return checked(unescaped(host)), port_number(port) if colon else None


def port_number(text: str) -> int | None:
    """A TCP port, None for 0 (the protocol's default). Raises ReferenceSyntaxError for what is none."""
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(_PORT_MAX)) or int(text) > _PORT_MAX:
        raise ReferenceSyntaxError(f"a port that is no number up to {_PORT_MAX}")
    return int(text) or None


def unescaped(text: str) -> str:
    """``text`` with percent escapes resolved; bytes that are no UTF-8 become surrogate escapes."""
    if "%" not in text:
        return text
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ReferenceSyntaxError("a URI with a character that no encoding has") from None
    return _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), raw).decode("utf-8", "surrogateescape")


def checked(text: str) -> str:
    """``text``, unless it holds a NUL: the programs that would read it are written in C."""
    if "\0" in text:
        raise ReferenceSyntaxError("a backing string with an escaped NUL in it")
    return text


def protocol_called(name: str) -> Protocol:
    """The network protocol of this name, in lower case as everybody demands. Raises ReferenceSyntaxError."""
    protocol = _PROTOCOLS.get(name)
    if protocol is None:
        raise unknown_protocol(name)
    return protocol


#: QEMU's other prefixes of file names: its block drivers that have a ``protocol_name``.
QEMU_PREFIXES: Final = frozenset(
    ("file", "host_device", "host_cdrom", "fat", "nvme", "iser", "null-co", "null-aio", "blkdebug", "blkverify")
)


def unknown_protocol(name: str) -> ReferenceSyntaxError:
    """The error for a prefix that is no network protocol."""
    if name in QEMU_PREFIXES:
        return UnsupportedReference(f"only QEMU understands {name}: in a backing string", driver=name)
    return ReferenceSyntaxError("what stands before the first colon is no storage protocol")


def _transport_called(name: str) -> Transport:
    try:
        return Transport(name)
    except ValueError:
        raise ReferenceSyntaxError("a URI with an unknown transport", allowed=tuple(Transport)) from None


def server(uri: Uri, protocol: Protocol, transport: Transport, socket: str | None) -> NetworkHost:
    """The one host of a URI, its default port filled in. Raises ReferenceSyntaxError when it has none."""
    if transport is _UNIX:
        if not socket:
            raise ReferenceSyntaxError("a URI that names no socket")
        return NetworkHost(None, None, socket, transport)
    if not uri.host:
        raise ReferenceSyntaxError("a URI that names no host")
    port = uri.port
    if port is None and transport is _TCP:
        port = DEFAULT_PORTS.get(protocol)
    return NetworkHost(uri.host, port, None, transport)


def named(protocol: Protocol, path: str, *, unit: str | None = None) -> str | None:
    """The name a path gives, None where it is empty. ``unit``: the logical unit of an iSCSI path that has none.

    Raises ReferenceSyntaxError for a path that its protocol cannot open.
    """
    if protocol is _ISCSI:
        target, slash, number = path.partition("/")
        if not slash and unit is not None:
            number = unit
        if not target or not (number.isascii() and number.isdecimal()):
            raise ReferenceSyntaxError("an iSCSI path that is not a target and the number of a unit")
        return f"{target}/{number}"
    if protocol is _GLUSTER:
        volume, _, file = path.partition("/")
        if not volume or not file:
            raise ReferenceSyntaxError("a gluster path that is not a volume and a file")
    return path or None


def with_login(location: NetworkLocation, uri: Uri, *, unfollowed: bool) -> Reference:
    """``location``, and who the URI says logs in. The password is seen and dropped.

    ``unfollowed``: libvirt's reading, where any user is a credential.
    """
    if uri.userinfo is None:
        return Reference(location)
    user, parted, _ = uri.userinfo.partition(":")
    credentials = ("user",) * unfollowed + ("password",) * bool(parted)
    return Reference(location, user=checked(unescaped(user)) or None, credentials=credentials, unfollowed=unfollowed)
