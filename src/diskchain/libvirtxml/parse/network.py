"""``<source protocol=…>``: hosts and what each protocol adds. Source: libvirt 11.3.0 (``virDomainDiskSourceNetworkParse``).

What belongs to another protocol is dropped where libvirt drops it, and kept as a stranger where libvirt prints it.
"""

from diskchain.libvirtxml.markup.document import Element, refuse
from diskchain.libvirtxml.markup.scalars import YES_NO, big_number, one_of, read_number, text_of
from diskchain.libvirtxml.markup.unknown import attributes, note_attributes, note_element, numbered, within
from diskchain.libvirtxml.vocabulary import PROTOCOLS, TRANSPORTS
from diskchain.storage.foreign import Foreign
from diskchain.storage.location import NetworkHost, NetworkLocation
from diskchain.storage.protocol_options import (
    Cookie,
    HttpOptions,
    IscsiOptions,
    NbdOptions,
    NfsOptions,
    ProtocolOptions,
    SshOptions,
)
from diskchain.storage.terms import Protocol, Transport

Parts = dict[str, list[Element]]
Names = dict[str, str]

_HOST = frozenset({"name", "port", "transport", "socket"})
_PORT_MAX = 65535

#: Whose ``name`` is two parts joined by a slash.
_SPLIT_NAMES = (Protocol.GLUSTER, Protocol.RBD)
_WEB = (Protocol.HTTP, Protocol.HTTPS)
_CURL = (*_WEB, Protocol.FTP, Protocol.FTPS)

_protocol = one_of(PROTOCOLS)
_transport = one_of(TRANSPORTS)
_yes_no = one_of(YES_NO)


def read_network(element: Element, names: Names, parts: Parts, place: str, found: list[Foreign]) -> NetworkLocation:
    """The location of a source of type ``network``, from its attributes and children."""
    if "protocol" not in names:
        refuse(element, "a network source needs a protocol", tuple(PROTOCOLS))
    protocol = _protocol(element, "the protocol", names["protocol"])
    name = names.get("name")
    if name is None and protocol is not Protocol.NBD:
        refuse(element, f"a source of protocol {protocol} needs a name")
    if name is not None and protocol in _SPLIT_NAMES and name.find("/") < 1:
        refuse(element, f"a source of protocol {protocol} is named POOL/IMAGE")
    tls = names.get("tls")
    hosts = tuple(read_host(host, numbered(f"{place}/host", n), found) for n, host in enumerate(parts.get("host", ())))
    return NetworkLocation(
        protocol,
        None if protocol is Protocol.NBD and not name else name,  # there it says the same as none
        hosts,
        _read_options(element, protocol, names, parts, place, found),
        None if tls is None else _yes_no(element, "tls", tls),
        _only_attribute(parts, "snapshot", "name", place, found),
        _only_attribute(parts, "config", "file", place, found),
    )


def read_host(element: Element, place: str, found: list[Foreign]) -> NetworkHost:
    """One server. Port 0 says the same as no port."""
    names = attributes(element, _HOST, place, found)
    transport = Transport.TCP
    if "transport" in names:
        transport = _transport(element, "the transport of <host>", names["transport"])
    if transport is Transport.UNIX:
        if "socket" not in names:
            refuse(element, "a <host> reached over a unix socket needs a socket")
        return NetworkHost(socket=names["socket"], transport=transport)
    if "socket" in names:
        refuse(element, f"a <host> reached over {transport} has no socket")
    if "name" not in names:
        refuse(element, "<host> has no name")
    port = read_number(element, "the port of <host>", names["port"], most=_PORT_MAX) if "port" in names else 0
    return NetworkHost(names["name"], port or None, None, transport)


def _read_options(
    element: Element, protocol: Protocol, names: Names, parts: Parts, place: str, found: list[Foreign]
) -> ProtocolOptions | None:
    if protocol is not Protocol.NBD and "tlsHostname" in names:
        note_attributes(element, ["tlsHostname"], place, found)
    if protocol is not Protocol.ISCSI and "initiator" in parts:
        note_element(parts["initiator"][0], "config", place, found)
    options: ProtocolOptions | None = None
    if protocol in _CURL:
        options = _read_http(protocol, names, parts, place, found)
    elif protocol is Protocol.NBD:
        options = _read_nbd(names, parts, place, found)
    elif protocol is Protocol.SSH:
        options = _read_ssh(parts, place, found)
    elif protocol is Protocol.NFS:
        identity = _first_attributes(parts, "identity", ("user", "group"), place, found)
        options = NfsOptions(identity.get("user"), identity.get("group"))
    elif protocol is Protocol.ISCSI:
        options = IscsiOptions(_read_initiator(parts, place, found))
    return None if options is None or options == type(options)() else options


def _read_http(protocol: Protocol, names: Names, parts: Parts, place: str, found: list[Foreign]) -> HttpOptions:
    verify: bool | None = None
    if protocol in {Protocol.HTTPS, Protocol.FTPS} and "ssl" in parts:
        said = _first_attributes(parts, "ssl", ("verify",), place, found).get("verify")
        verify = None if said is None else _yes_no(parts["ssl"][0], "verify of <ssl>", said)
    cookies: tuple[Cookie, ...] = ()
    if protocol in _WEB and "cookies" in parts:
        cookies = _read_cookies(parts["cookies"][0], f"{place}/cookies", found)
    return HttpOptions(
        names.get("query") if protocol in _WEB else None,
        verify,
        cookies,
        _amount(parts, "readahead", "size", place, found),
        _amount(parts, "timeout", "seconds", place, found),
    )


def _amount(parts: Parts, child: str, name: str, place: str, found: list[Foreign]) -> int | None:
    said = _only_attribute(parts, child, name, place, found)
    return None if said is None else big_number(parts[child][0], f"{name} of <{child}>", said) or None


def _read_nbd(names: Names, parts: Parts, place: str, found: list[Foreign]) -> NbdOptions:
    delay = _first_attributes(parts, "reconnect", ("delay",), place, found).get("delay")
    seconds = None if delay is None else read_number(parts["reconnect"][0], "delay of <reconnect>", delay)
    return NbdOptions(seconds or None, names.get("tlsHostname"))


def _read_ssh(parts: Parts, place: str, found: list[Foreign]) -> SshOptions:
    known_hosts = _first_attributes(parts, "knownHosts", ("path",), place, found).get("path")
    if "knownHosts" in parts and known_hosts is None:
        refuse(parts["knownHosts"][0], "<knownHosts> needs a path")
    identity = _first_attributes(parts, "identity", ("username", "keyfile", "agentsock"), place, found)
    if "identity" in parts:
        if "username" not in identity:
            refuse(parts["identity"][0], "<identity> needs a username")
        if "keyfile" not in identity and "agentsock" not in identity:
            refuse(parts["identity"][0], "<identity> needs a keyfile or an agentsock")
    return SshOptions(known_hosts, identity.get("username"), identity.get("keyfile"), identity.get("agentsock"))


def _read_initiator(parts: Parts, place: str, found: list[Foreign]) -> str | None:
    if "initiator" not in parts:
        return None
    below = f"{place}/initiator"
    inner = within(parts["initiator"][0], frozenset({"iqn"}), below, found)
    return _only_attribute(inner, "iqn", "name", below, found)


def _first_attributes(parts: Parts, child: str, known: tuple[str, ...], place: str, found: list[Foreign]) -> Names:
    if child not in parts:
        return {}
    return attributes(parts[child][0], frozenset(known), f"{place}/{child}", found)


def _only_attribute(parts: Parts, child: str, name: str, place: str, found: list[Foreign]) -> str | None:
    """The attribute ``name`` of the first ``child``; None when it is missing or empty."""
    return _first_attributes(parts, child, (name,), place, found).get(name) or None


# RFC 6265, section 4.1.1, as libvirt checks it: what a value, and on top of that a name, must not hold.
_NOT_IN_VALUE = frozenset({*map(chr, range(1, 33)), *'",;\\'})
_NOT_IN_NAME = _NOT_IN_VALUE | frozenset("()<>@:/[]?={}")


def _read_cookies(element: Element, place: str, found: list[Foreign]) -> tuple[Cookie, ...]:
    cookies: dict[str, Cookie] = {}
    for n, child in enumerate(within(element, frozenset({"cookie"}), place, found).get("cookie", ())):
        name = attributes(child, frozenset({"name"}), numbered(f"{place}/cookie", n), found).get("name")
        if not name:
            refuse(child, "<cookie> has no name")
        if not _NOT_IN_NAME.isdisjoint(name):
            refuse(child, "the name of a <cookie> holds a character that RFC 6265 forbids")
        value = text_of(child)
        if value is None:
            refuse(child, "<cookie> has no value")
        bare = value
        if value.startswith('"'):
            bare = value[1:-1] if value.endswith('"') else value
        if not _NOT_IN_VALUE.isdisjoint(bare):
            refuse(child, "the value of a <cookie> holds a character that RFC 6265 forbids")
        if name in cookies:
            refuse(child, "two <cookie> have one name")
        cookies[name] = Cookie(name, value)
    return tuple(cookies.values())
