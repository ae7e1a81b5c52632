"""URIs in backing strings: ``PROTOCOL[+TRANSPORT]://[USER@]HOST[:PORT]/PATH[?QUERY]``.

Knows RFC 3986 as far as libxml2 and QEMU's ``util/uri.c`` enforce it, and what each protocol makes of the path. Must not know
the other syntaxes. Sources: libvirt 11.3.0 ``virStorageSourceParseBackingURI``; QEMU 7.2 ``block/{nbd,curl,ssh,nfs,gluster,iscsi}.c``.
"""

from diskchain.storage.location import NetworkLocation
from diskchain.storage.protocol_options import HttpOptions
from diskchain.storage.reference.uri_parts import (
    _HTTP,
    _TCP,
    _transport_called,
    checked,
    named,
    protocol_called,
    server,
    split_uri,
    unescaped,
    with_login,
)
from diskchain.storage.reference.value import Dialect, Reference


def parse_uri(text: str, dialect: Dialect) -> Reference:
    """What a string with ``://`` in it names. Raises ReferenceSyntaxError, with nothing of the string in it."""
    if dialect == "qemu":
        from diskchain.storage.reference.qemu_uri import parse_qemu_uri

        return parse_qemu_uri(text)
    name, plus, carrier = text.partition("://")[0].partition("+")
    protocol = protocol_called(name)
    uri = split_uri(text)
    transport = _transport_called(carrier) if plus else _TCP
    socket = None
    if uri.query is not None and protocol not in _HTTP and uri.query.startswith("socket="):
        socket = uri.query.removeprefix("socket=")
    options = HttpOptions(query=uri.query) if uri.query is not None and protocol in _HTTP else None
    path = checked(unescaped(uri.path).removeprefix("/"))
    location = NetworkLocation(
        protocol, named(protocol, path, unit="0"), (server(uri, protocol, transport, socket),), options
    )
    return with_login(location, uri, unfollowed=True)
