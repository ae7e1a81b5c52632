"""What the object of a network driver in a ``json:`` string says: servers, and what they are asked for.

Knows the keys of nbd, rbd, iscsi, gluster, ssh, nfs, vxhs and sheepdog. Must not know where the object stood. Sources: libvirt
11.3.0 ``virStorageSourceParseBackingJSON*``; QEMU 7.2 ``qapi/block-core.json``, ``qapi/sockets.json``.
"""

from collections.abc import Callable
from typing import Final

from diskchain.errors import ReferenceSyntaxError, UnsupportedReference
from diskchain.storage.location import NetworkHost, NetworkLocation
from diskchain.storage.protocol_options import IscsiOptions, NbdOptions, NfsOptions, RbdOptions, SshOptions
from diskchain.storage.reference.json_document import Fields
from diskchain.storage.reference.rbd import joined_name, parse_rbd, without_secrets
from diskchain.storage.reference.uri import parse_uri
from diskchain.storage.reference.uri_parts import named, port_number
from diskchain.storage.reference.value import Reference
from diskchain.storage.terms import DEFAULT_PORTS, Protocol, Transport

# Taking a member off its class takes Python 3.11 as long as making a small object.
_NBD: Final = Protocol.NBD
_RBD: Final = Protocol.RBD
_ISCSI: Final = Protocol.ISCSI
_GLUSTER: Final = Protocol.GLUSTER
_SSH: Final = Protocol.SSH
_NFS: Final = Protocol.NFS
_VXHS: Final = Protocol.VXHS
_SHEEPDOG: Final = Protocol.SHEEPDOG
_TCP: Final = Transport.TCP
_UNIX: Final = Transport.UNIX


def required(fields: Fields, key: str) -> str:
    """A string that must be there, and not empty. Raises ReferenceSyntaxError."""
    value = fields.take_string(key)
    if not value:
        raise ReferenceSyntaxError(f"JSON without {key}")
    return value


def uri_of(text: str, fields: Fields, protocol: Protocol) -> Reference:
    """What a URI inside the object names. Raises ReferenceSyntaxError when it is of another protocol than the driver."""
    if "://" not in text:
        raise ReferenceSyntaxError("JSON with a URI that is none")
    found = parse_uri(text, fields.dialect)
    if not isinstance(found.location, NetworkLocation) or found.location.protocol is not protocol:
        raise ReferenceSyntaxError("JSON with a URI of another protocol than its driver")
    return found


def _tcp(fields: Fields | None, protocol: Protocol, *, port_needed: bool = True) -> NetworkHost:
    """A server of ``host`` and ``port``. QEMU's inet addresses must have a port."""
    if fields is None:
        raise ReferenceSyntaxError("JSON without a server")
    if fields.values.get("type") in ("inet", "tcp"):
        del fields.values["type"]
    host = required(fields, "host")
    port = fields.take_string("port")
    if port is None and port_needed and fields.dialect == "qemu":
        raise ReferenceSyntaxError("JSON with a server without a port")
    number = port_number(port) if port is not None else None
    return NetworkHost(host, number or DEFAULT_PORTS.get(protocol))


def _socket_address(fields: Fields | None, protocol: Protocol) -> NetworkHost:
    """A server whose ``type`` says how it is reached. ``tcp`` and ``socket`` are gluster's older words."""
    if fields is None:
        raise ReferenceSyntaxError("JSON without a server")
    kind = fields.values.get("type")
    if kind == "inet" or (kind == "tcp" and (fields.dialect == "libvirt" or protocol is _GLUSTER)):
        return _tcp(fields, protocol)
    if kind != "unix":
        raise ReferenceSyntaxError("JSON with a server that is neither inet nor unix")
    del fields.values["type"]
    path = fields.take_string("path") or fields.take_string("socket")
    if not path:
        raise ReferenceSyntaxError("JSON with a unix server without a path")
    return NetworkHost(None, None, path, _UNIX)


def _nbd(fields: Fields) -> Reference:
    if (server := fields.take_object("server")) is not None:
        host = _socket_address(server, _NBD)
    elif (path := fields.take_string("path")) is not None:
        host = NetworkHost(None, None, path, _UNIX)
    else:
        host = _tcp(fields, _NBD, port_needed=False)
    options = None
    if fields.dialect == "qemu":
        delay = fields.take_number("reconnect-delay", "JSON with a reconnect-delay that is no number")
        tls_name = fields.take_string("tls-hostname")
        options = NbdOptions(delay, tls_name) if delay is not None or tls_name else None
    return Reference(NetworkLocation(_NBD, fields.take_string("export") or None, (host,), options))


def _rbd(fields: Fields) -> Reference:
    text = fields.take_string("filename")
    if text is not None:
        return parse_rbd(text.removeprefix("rbd:"), fields.dialect)
    pool, image = required(fields, "pool"), required(fields, "image")
    servers = [_tcp(each, _RBD) for each in fields.take_array("server") or ()]
    options = fields.take_string("=keyvalue-pairs")
    credentials, unknown = ((), ()) if options is None else without_secrets(options)
    user = None
    name = f"{pool}/{image}"
    if fields.dialect == "qemu":
        name = joined_name(pool, fields.take_string("namespace") or "", image)
        user = fields.take_string("user")
    location = NetworkLocation(
        _RBD,
        name,
        tuple(servers),
        RbdOptions(user) if user else None,
        snapshot=fields.take_string("snapshot") or None,
        config_file=fields.take_string("conf") or None,
    )
    return Reference(location, user=user, credentials=credentials, unknown=unknown)


def _iscsi(fields: Fields) -> Reference:
    if fields.dialect == "libvirt" and (text := fields.take_string("filename")) is not None:
        return uri_of(text, fields, _ISCSI)
    if fields.take_string("transport") != _TCP:
        raise UnsupportedReference("iSCSI over anything but TCP", driver="iscsi")
    portal = required(fields, "portal")
    target = required(fields, "target")
    # libvirt takes a string or a number here, and so does QEMU.
    lun = fields.values.pop("lun", 0)
    if isinstance(lun, bool) or not isinstance(lun, int | str):
        raise ReferenceSyntaxError("JSON with a lun that is no number")
    if "/" in target:
        raise UnsupportedReference("an iSCSI target with a slash in its name", driver="iscsi")
    initiator = fields.take_string("initiator-name") if fields.dialect == "qemu" else None
    host, colon, port = portal.rpartition(":")
    if not colon or "]" in port:
        host, port = portal, ""
    number = (port_number(port) if port else None) or DEFAULT_PORTS[_ISCSI]
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host or "[" in host or "]" in host:
        raise ReferenceSyntaxError("JSON with an iSCSI portal that names no host")
    options = IscsiOptions(initiator) if initiator else None
    location = NetworkLocation(_ISCSI, named(_ISCSI, f"{target}/{lun}"), (NetworkHost(host, number),), options)
    user = fields.take_string("user")
    password = fields.take_string("password") is not None
    unfollowed = fields.dialect == "libvirt" and (user is not None or password)
    credentials = ("user",) * (unfollowed and user is not None) + ("password",) * password
    return Reference(location, user=user, credentials=credentials, unfollowed=unfollowed)


def _gluster(fields: Fields) -> Reference:
    text = fields.take_string("filename")
    if text is not None:
        return uri_of(text, fields, _GLUSTER)
    volume, path = required(fields, "volume"), required(fields, "path")
    if "/" in volume:
        raise UnsupportedReference("a gluster volume with a slash in its name", driver="gluster")
    servers = tuple(_socket_address(each, _GLUSTER) for each in fields.take_array("server") or ())
    if not servers:
        raise ReferenceSyntaxError("JSON without a server")
    return Reference(NetworkLocation(_GLUSTER, f"{volume}/{path}", servers))


def _ssh(fields: Fields) -> Reference:
    path = required(fields, "path")
    server = fields.take_object("server")
    host = _tcp(fields if server is None else server, _SSH, port_needed=server is not None)
    user = fields.take_string("user")
    check = fields.values.get("host_key_check") != "no"
    if not check:
        del fields.values["host_key_check"]
    mode = fields.take_object("host-key-check") if fields.dialect == "qemu" else None
    if mode is not None and mode.values.get("mode") == "none":
        del mode.values["mode"]
        check = False
    options = SshOptions(username=user, check_host_key=check) if user is not None or not check else None
    return Reference(NetworkLocation(_SSH, path, (host,), options), user=user)


def _nfs(fields: Fields) -> Reference:
    server = fields.take_object("server")
    if fields.dialect == "qemu" and server is not None and server.values.get("type") != "inet":
        raise ReferenceSyntaxError("JSON with an nfs server that is not inet")
    path = required(fields, "path")
    user = fields.take_number("user", "JSON with an nfs user that is no number")
    group = fields.take_number("group", "JSON with an nfs group that is no number")
    if fields.dialect == "libvirt" and (user is None or group is None):
        raise ReferenceSyntaxError("JSON with an nfs disk without user or group")
    host = _tcp(server, _NFS, port_needed=False)
    options = None
    if user is not None or group is not None:
        options = NfsOptions(None if user is None else f"+{user}", None if group is None else f"+{group}")
    return Reference(NetworkLocation(_NFS, path, (host,), options))


def _vxhs(fields: Fields) -> Reference:
    _libvirt_only(fields, _VXHS)
    disk = required(fields, "vdisk-id")
    return Reference(NetworkLocation(_VXHS, disk, (_tcp(fields.take_object("server"), _VXHS),)))


def _sheepdog(fields: Fields) -> Reference:
    _libvirt_only(fields, _SHEEPDOG)
    text = fields.take_string("filename")
    if text is not None:
        return uri_of(text, fields, _SHEEPDOG)
    disk = required(fields, "vdi")
    host = _socket_address(fields.take_object("server"), _SHEEPDOG)
    return Reference(NetworkLocation(_SHEEPDOG, disk, (host,)))


def _libvirt_only(fields: Fields, driver: str) -> None:
    if fields.dialect == "qemu":
        raise UnsupportedReference(f"QEMU has no driver for {driver} any more", driver=driver)


NETWORK_READERS: Final[dict[str, Callable[[Fields], Reference]]] = {
    "nbd": _nbd,
    "rbd": _rbd,
    "iscsi": _iscsi,
    "gluster": _gluster,
    "ssh": _ssh,
    "nfs": _nfs,
    "vxhs": _vxhs,
    "sheepdog": _sheepdog,
}
