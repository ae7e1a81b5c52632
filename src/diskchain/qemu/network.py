"""The protocol node of what is on a server: driver and properties, in libvirt's order.

Knows each protocol's properties. Must not know formats. Source: libvirt ``qemuBlockStorageSourceGetBackendProps`` and its
parts (9.0, as ``domxml-to-native`` shows them; 11.3.0).
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from diskchain.errors import UsageError, printable
from diskchain.storage.location import NetworkHost, NetworkLocation, without_brackets
from diskchain.storage.protocol_options import HttpOptions, IscsiOptions, NbdOptions, NfsOptions, RbdOptions, SshOptions
from diskchain.storage.reference.writer import url
from diskchain.storage.terms import DEFAULT_PORTS, Protocol, Transport

Properties = dict[str, Any]

#: ``gluster_debug_level`` of qemu.conf, unless told otherwise.
_GLUSTER_DEBUG: Final = 4
#: librbd's word for "whatever the server likes".
_RBD_NO_PORT: Final = "0"
#: A user or group of nfs as a number is written ``+N``.
_NUMERIC: Final = "+"


#: What QEMU's drivers and their libraries say when a server does not let us in: libiscsi, libcurl (http, ftp), libssh.
_LOGIN_REFUSED: Final = (
    "Authentication failure",
    "authentication failed",
    "returned error: 401",
    "Login denied",
    "Access denied",
    "failed to authenticate",
)
#: librbd has errno alone; librados takes a wrong key for the one, an unknown user for the other.
_RBD_REFUSED: Final = ("error connecting: Permission denied", "error connecting: Operation not permitted")
#: A server that wants a client's certificate, or another one, just hangs up: by TLS 1.3 after the handshake, as the client sees it. QEMU 7.2
#: then misses the end of the TLS channel, 10.0 fails to write.
_TLS_REFUSED: Final = ("TLS channel", "TLS handshake failed", "Unable to write to socket", "Unable to read from socket")


def refused_login(text: str, *, tls: bool | None) -> str | None:
    """What to tell people where QEMU's ``text`` means that the server did not let us in; else None. ``tls``: it was spoken."""
    if tls and any(words in text for words in _TLS_REFUSED):
        return f"login refused: the server may want a client's certificate, or another one: {text}"
    if any(words in text for words in (*_LOGIN_REFUSED, *_RBD_REFUSED)):
        return f"login refused: {text}"
    return None


@dataclass(frozen=True, slots=True)
class Login:
    """Names of QEMU objects that hold what logs us in; None: not needed. ``user`` is no secret."""

    user: str | None = None
    secret: str | None = None
    cookies: str | None = None
    tls: str | None = None
    #: librbd's own decryption: format and secrets, outermost first.
    encryption: tuple[str, tuple[str, ...]] | None = None


def network_node(location: NetworkLocation, login: Login, *, newer: bool = True, ours: bool = True) -> Properties:
    """``driver`` and what belongs to it. ``newer``: also what libvirt 9 does not know. Raises UsageError.

    ``ours``: for a QEMU of our own, and not as libvirt (11.3) does it. That leaves namespaces of rbd in the name of the image, and the
    brackets of an IPv6 address in the name of the host, where QEMU finds no such host.
    """
    plain = location._replace(hosts=tuple(map(without_brackets, location.hosts)))
    if ours:
        location = plain
    elif not newer and location.protocol is Protocol.ISCSI:
        location = location._replace(hosts=location.hosts[:1])  # libvirt 9.0 does not look at the others
    build = _BUILDERS.get(location.protocol)
    if build is None:
        raise UsageError(f"QEMU has no driver for {location.protocol}")
    node: Properties = {"driver": str(location.protocol)}
    build(node, location, login)
    if not ours and "url" in node and location != plain:
        name = plain.hosts[0].name
        node["url"] = node["url"].replace(f"[{name}]", f"[[{name}]]", 1)  # as libvirt 9.0 and 11.3 do
    if ours and location.protocol is Protocol.RBD and "/" in node["image"]:
        node["namespace"], _, node["image"] = node["image"].partition("/")
    if newer and isinstance(location.options, NbdOptions) and location.options.reconnect_delay:
        node["reconnect-delay"] = location.options.reconnect_delay
    return node


def _only_host(location: NetworkLocation) -> NetworkHost:
    if len(location.hosts) != 1:
        raise UsageError(f"{location.protocol} takes exactly one host, not {len(location.hosts)}")
    return location.hosts[0]


def _port(host: NetworkHost, protocol: Protocol, otherwise: str | None = None) -> str:
    port = host.port if host.port is not None else DEFAULT_PORTS.get(protocol)
    if port is None and otherwise is None:
        raise UsageError(f"{protocol} needs a port")
    return otherwise if port is None and otherwise is not None else str(port)


def _inet(host: NetworkHost, protocol: Protocol, otherwise: str | None = None) -> Properties:
    if host.transport is not Transport.TCP or not host.name:
        raise UsageError(f"{protocol} takes a TCP host here, not {host.transport}")
    return {"host": host.name, "port": _port(host, protocol, otherwise)}


def _address(host: NetworkHost, protocol: Protocol) -> Properties:
    if host.transport is Transport.UNIX:
        return {"type": "unix", "path": host.socket or ""}
    return {"type": "inet", **_inet(host, protocol)}


def _name(location: NetworkLocation) -> str:
    if not location.name:
        raise UsageError(f"{location.protocol} needs a path")
    return location.name


def _pair(location: NetworkLocation, what: str) -> tuple[str, str]:
    first, _, rest = (location.name or "").partition("/")
    if not rest or not first:
        raise UsageError(f"{location.protocol} needs {what}")
    return first, rest


def _curl(node: Properties, location: NetworkLocation, login: Login) -> None:
    host = _only_host(location)
    _inet(host, location.protocol)
    options = location.options if isinstance(location.options, HttpOptions) else HttpOptions()
    port = int(_port(host, location.protocol))
    node["url"] = url(location._replace(hosts=(host._replace(port=port),), options=replace(options, query=None)))
    if options.query is not None:
        node["url"] += f"?{options.query}"
    if login.secret is not None:
        node |= {"username": login.user, "password-secret": login.secret}
    if options.ssl_verify is not None:
        node["sslverify"] = options.ssl_verify
    if login.cookies is not None:
        node["cookie-secret"] = login.cookies
    if options.timeout:
        node["timeout"] = options.timeout
    if options.readahead:
        node["readahead"] = options.readahead


def _nbd(node: Properties, location: NetworkLocation, login: Login) -> None:
    node["server"] = _address(_only_host(location), Protocol.NBD)
    if location.name:
        node["export"] = location.name
    if login.tls is not None:
        node["tls-creds"] = login.tls
    if isinstance(location.options, NbdOptions) and location.options.tls_hostname is not None:
        node["tls-hostname"] = location.options.tls_hostname


def _iscsi(node: Properties, location: NetworkLocation, login: Login) -> None:
    host = _only_host(location)
    address = _inet(host, Protocol.ISCSI)
    target, slash, unit = (location.name or "").partition("/")
    if not target:
        raise UsageError("iscsi needs the name of a target")
    if slash and not (unit.isascii() and unit.isdecimal()):
        raise UsageError(f"the unit of an iSCSI target must be a number, not {printable(unit or 'nothing')}")
    name = f"[{address['host']}]" if _is_v6(address["host"]) else address["host"]
    node |= {"portal": f"{name}:{address['port']}", "target": target, "lun": int(unit or 0), "transport": "tcp"}
    if login.secret is not None:
        node |= {"user": login.user, "password-secret": login.secret}
    if isinstance(location.options, IscsiOptions) and location.options.initiator:
        node["initiator-name"] = location.options.initiator


def _is_v6(host: str) -> bool:
    try:
        return isinstance(ipaddress.ip_address(host), ipaddress.IPv6Address)
    except ValueError:
        return False


def _rbd(node: Properties, location: NetworkLocation, login: Login) -> None:
    node["pool"], node["image"] = _pair(location, "a pool and an image")
    if location.snapshot:
        node["snapshot"] = location.snapshot
    if location.config_file:
        node["conf"] = location.config_file
    if location.hosts:
        node["server"] = [_inet(host, Protocol.RBD, _RBD_NO_PORT) for host in location.hosts]
    if login.encryption is not None:
        format, secrets = login.encryption
        encrypt: Properties | None = None
        for secret in reversed(secrets):
            encrypt = {"format": format, "key-secret": secret} | ({"parent": encrypt} if encrypt else {})
        node["encrypt"] = encrypt
    user = login.user
    if user is None and isinstance(location.options, RbdOptions):
        user = location.options.user
    if user is not None:
        node["user"] = user
    if login.secret is not None:
        node |= {"auth-client-required": ["cephx", "none"], "key-secret": login.secret}


def _gluster(node: Properties, location: NetworkLocation, _login: Login) -> None:
    node["volume"], node["path"] = _pair(location, "a volume and a path")
    if not location.hosts:
        raise UsageError("gluster needs a host")
    node["server"] = [_address(host, Protocol.GLUSTER) for host in location.hosts]
    node["debug"] = _GLUSTER_DEBUG


def _ssh(node: Properties, location: NetworkLocation, _login: Login) -> None:
    node["path"] = _name(location)
    node["server"] = _inet(_only_host(location), Protocol.SSH)
    if isinstance(location.options, SshOptions):
        if location.options.username:
            node["user"] = location.options.username
        if not location.options.check_host_key:
            node["host-key-check"] = {"mode": "none"}


def _nfs(node: Properties, location: NetworkLocation, _login: Login) -> None:
    host = _only_host(location)
    if host.transport is not Transport.TCP or host.port is not None:
        raise UsageError("nfs takes a TCP host without a port")
    node["server"] = {"host": host.name, "type": "inet"}
    node["path"] = _name(location)
    if isinstance(location.options, NfsOptions):
        import grp
        import pwd

        if location.options.user:
            node["user"] = _number(location.options.user, lambda name: pwd.getpwnam(name).pw_uid)
        if location.options.group:
            node["group"] = _number(location.options.group, lambda name: grp.getgrnam(name).gr_gid)


def _number(name: str, look_up: Callable[[str], int]) -> int:
    """As ``virGetUserID``: ``+N`` is N; else a name; else a number all the same."""
    digits = name.removeprefix(_NUMERIC)
    if not name.startswith(_NUMERIC):
        try:
            return look_up(name)
        except KeyError:
            pass
    if digits.isascii() and digits.isdecimal():
        return int(digits)
    raise UsageError(f"this host knows no user or group called {printable(name)}")


_BUILDERS: Final[dict[Protocol, Callable[[Properties, NetworkLocation, Login], None]]] = {
    Protocol.NBD: _nbd,
    Protocol.RBD: _rbd,
    Protocol.ISCSI: _iscsi,
    Protocol.GLUSTER: _gluster,
    Protocol.HTTP: _curl,
    Protocol.HTTPS: _curl,
    Protocol.FTP: _curl,
    Protocol.FTPS: _curl,
    Protocol.SSH: _ssh,
    Protocol.NFS: _nfs,
}
