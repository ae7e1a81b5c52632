"""URIs as QEMU reads them by itself: which schemes it has, and what each driver does with path, query and user.

Knows QEMU 7.2's ``nbd_parse_uri``, ``curl_parse_filename``, ``parse_uri`` (ssh), ``nfs_parse_uri``, ``qemu_gluster_parse_uri``,
``nvme_parse_filename``. Every row is compared with the programs in ``tests/storage``.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from diskchain.errors import ReferenceSyntaxError, UnsupportedReference
from diskchain.storage.location import NetworkHost, NetworkLocation, NvmeLocation
from diskchain.storage.protocol_options import HttpOptions, NfsOptions, SshOptions
from diskchain.storage.reference.pci import pci_address
from diskchain.storage.reference.uri_parts import (
    CURL,
    Uri,
    checked,
    named,
    server,
    split_uri,
    unescaped,
    unknown_protocol,
    with_login,
)
from diskchain.storage.reference.value import Reference
from diskchain.storage.terms import Protocol, Transport

_SCHEMES: Final[dict[str, tuple[Protocol, Transport]]] = {
    "nbd": (Protocol.NBD, Transport.TCP),
    "nbd+tcp": (Protocol.NBD, Transport.TCP),
    "nbd+unix": (Protocol.NBD, Transport.UNIX),
    "http": (Protocol.HTTP, Transport.TCP),
    "https": (Protocol.HTTPS, Transport.TCP),
    "ftp": (Protocol.FTP, Transport.TCP),
    "ftps": (Protocol.FTPS, Transport.TCP),
    "ssh": (Protocol.SSH, Transport.TCP),
    "nfs": (Protocol.NFS, Transport.TCP),
    "gluster": (Protocol.GLUSTER, Transport.TCP),
    "gluster+tcp": (Protocol.GLUSTER, Transport.TCP),
    "gluster+unix": (Protocol.GLUSTER, Transport.UNIX),
    "gluster+rdma": (Protocol.GLUSTER, Transport.RDMA),
}


def parse_qemu_uri(text: str) -> Reference:
    """What QEMU opens for a string with ``://``. Raises ReferenceSyntaxError, with nothing of the string in it."""
    scheme = text.partition("://")[0]
    if scheme == "nvme":
        return _nvme(text)
    if scheme == "iscsi":
        from diskchain.storage.reference.iscsi import parse_iscsi_url

        return parse_iscsi_url(text)
    if scheme not in _SCHEMES:
        if scheme in Protocol.__members__.values():
            raise UnsupportedReference(f"QEMU has no driver for {scheme} any more", driver=scheme)
        raise unknown_protocol(scheme)
    protocol, transport = _SCHEMES[scheme]
    uri = split_uri(text, curl=protocol in CURL)
    return _READERS[protocol](uri, protocol, transport)


def _parameters(query: str | None) -> list[tuple[str, str]]:
    """The query as QEMU's ``query_params_parse`` cuts it."""
    if not query:
        return []
    pairs = (part.partition("=") for part in query.replace(";", "&").split("&") if part)
    return [(checked(unescaped(name)), checked(unescaped(value))) for name, _, value in pairs]


def _socket(uri: Uri, transport: Transport) -> str | None:
    """The socket of a unix transport; the query may hold nothing else, and other transports have none."""
    parameters = _parameters(uri.query)
    if transport is not Transport.UNIX:
        if parameters:
            raise ReferenceSyntaxError("a URI with a query where QEMU allows none")
        return None
    if len(parameters) != 1 or parameters[0][0] != "socket" or uri.host or uri.port:
        raise ReferenceSyntaxError("a unix URI with more, or less, than a socket")
    return parameters[0][1]


def _nbd(uri: Uri, protocol: Protocol, transport: Transport) -> Reference:
    host = server(uri, protocol, transport, _socket(uri, transport))
    name = checked(unescaped(uri.path).removeprefix("/")) or None
    return with_login(NetworkLocation(protocol, name, (host,)), uri, unfollowed=False)


def _gluster(uri: Uri, protocol: Protocol, transport: Transport) -> Reference:
    host = server(uri if uri.host else replace(uri, host="localhost"), protocol, transport, _socket(uri, transport))
    volume, _, file = checked(unescaped(uri.path)).lstrip("/").partition("/")
    name = named(protocol, f"{volume}/{file.lstrip('/')}")
    return with_login(NetworkLocation(protocol, name, (host,)), uri, unfollowed=False)


def _curl(uri: Uri, protocol: Protocol, transport: Transport) -> Reference:
    if "%2f" in uri.path.lower():
        raise UnsupportedReference("a URL with an escaped slash, which differs from a plain one", driver=protocol)
    path = checked(unescaped(uri.path))
    # A leading slash is part of the name only where there are two: libvirt's URL builder adds the one that is missing.
    name = path if path.startswith("//") else path.removeprefix("/")
    query = uri.query
    if query is not None and protocol not in (Protocol.HTTP, Protocol.HTTPS):
        raise UnsupportedReference("an FTP URL with a query", driver=protocol)
    options = HttpOptions(query=query) if query is not None else None
    host = server(uri, protocol, transport, None)
    return with_login(NetworkLocation(protocol, name or None, (host,), options), uri, unfollowed=False)


#: ``block/ssh.c``: the digest that the host's key must have.
_FINGERPRINT: Final = re.compile(r"(?:md5|sha1|sha256):[0-9A-Fa-f:]+")


def _ssh(uri: Uri, protocol: Protocol, transport: Transport) -> Reference:
    path = checked(unescaped(uri.path))
    if not path:
        raise ReferenceSyntaxError("an ssh URI without a path")
    check = True
    unknown: tuple[tuple[str, str], ...] = ()
    for key, value in _parameters(uri.query):
        if key == "host_key_check" and value == "no":
            check = False
        elif key == "host_key_check" and _FINGERPRINT.fullmatch(value):
            unknown = (("file.host_key_check", value),)
        elif key == "host_key_check" and value != "yes":
            raise ReferenceSyntaxError("an ssh URI with an unknown way to check the host's key")
    location = NetworkLocation(protocol, path, (server(uri, protocol, transport, None),))
    found = with_login(location, uri, unfollowed=False)
    if found.user is not None or not check:
        location = location._replace(options=SshOptions(username=found.user, check_host_key=check))
    return found._replace(location=location, unknown=unknown)


#: nfs: URI parameter to the key that says the same in ``json:``.
_NFS_PARAMETERS: Final = {
    "tcp-syncnt": "file.tcp-syn-count",
    "readahead": "file.readahead-size",
    "pagecache": "file.page-cache-size",
    "debug": "file.debug",
}


def _nfs(uri: Uri, protocol: Protocol, _transport: Transport) -> Reference:
    path = checked(unescaped(uri.path))
    if not uri.host or not path:
        raise ReferenceSyntaxError("an nfs URI without host or path")
    ids: dict[str, str] = {}
    unknown: list[tuple[str, int]] = []
    for key, value in _parameters(uri.query):
        if not (value.isascii() and value.isdecimal()) or len(value) > len(str(1 << 64)):
            raise ReferenceSyntaxError("an nfs URI with a parameter that is no number")
        if key in ("uid", "gid"):
            ids[key] = f"+{int(value)}"
        elif key in _NFS_PARAMETERS:
            unknown.append((_NFS_PARAMETERS[key], int(value)))
        else:
            raise ReferenceSyntaxError("an nfs URI with an unknown parameter")
    options = NfsOptions(ids.get("uid"), ids.get("gid")) if ids else None
    # QEMU reads a port and forgets it: libnfs asks the port mapper.
    location = NetworkLocation(protocol, path, (NetworkHost(uri.host),), options)
    return with_login(location, uri, unfollowed=False)._replace(unknown=tuple(unknown))


def _nvme(text: str) -> Reference:
    address, _, namespace = text.removeprefix("nvme://").partition("/")
    if not (namespace.isascii() and namespace.isdecimal()) or len(namespace) > len(str(1 << 32)) or not int(namespace):
        raise ReferenceSyntaxError("an nvme URI without the number of a namespace")
    return Reference(NvmeLocation(pci_address(address), int(namespace)))


_READERS: Final[dict[Protocol, Callable[[Uri, Protocol, Transport], Reference]]] = {
    Protocol.NBD: _nbd,
    Protocol.HTTP: _curl,
    Protocol.HTTPS: _curl,
    Protocol.FTP: _curl,
    Protocol.FTPS: _curl,
    Protocol.SSH: _ssh,
    Protocol.NFS: _nfs,
    Protocol.GLUSTER: _gluster,
}
