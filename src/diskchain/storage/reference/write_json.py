"""The object of a location's protocol driver, as libvirt writes it into backing strings.

Knows the keys of each driver and their order. Must not know layers above. Source: libvirt 11.3.0
``qemuBlockStorageSourceGetBackendProps`` with ``TARGET_ONLY``: no login, no TLS, no caching.
"""

from collections.abc import Callable
from typing import Any, Final

from diskchain.errors import UsageError
from diskchain.storage.location import (
    BlockLocation,
    DirLocation,
    FileLocation,
    Location,
    NetworkHost,
    NetworkLocation,
    NvmeLocation,
    without_brackets,
)
from diskchain.storage.protocol_options import HttpOptions, IscsiOptions, NbdOptions, NfsOptions, RbdOptions, SshOptions
from diskchain.storage.terms import DEFAULT_PORTS, Protocol, Transport

_Object = dict[str, Any]

#: What libvirt writes for a monitor without a port: librados then takes its own.
_ANY_PORT: Final = 0


def protocol_object(location: Location, url: Callable[[NetworkLocation], str]) -> _Object:
    """The object. ``url`` makes the URL that libcurl's drivers want. Raises UsageError for what QEMU has no driver for."""
    match location:
        case FileLocation(path) if path:
            return {"driver": "file", "filename": path}
        case BlockLocation(path) if path:
            return {"driver": "host_device", "filename": path}
        case DirLocation(path) if path:
            return {"driver": "vvfat", "dir": path}
        case NvmeLocation():
            return {"driver": "nvme", "device": str(location.address), "namespace": location.namespace}
        case NetworkLocation():
            write = _WRITERS.get(location.protocol)
            inside = write(location) if write is not None else _curl(location, url)
            return {"driver": str(location.protocol), **inside}
    raise UsageError(f"a {location.type} source has no backing string")


def _nbd(location: NetworkLocation) -> _Object:
    inside: _Object = {"server": _address(_only_host(location), location.protocol)}
    _set(inside, export=location.name)
    if isinstance(location.options, NbdOptions):
        _set(inside, **{"reconnect-delay": location.options.reconnect_delay})
    return inside


def _gluster(location: NetworkLocation) -> _Object:
    volume, path = _cut_name(location)
    if not location.hosts:
        raise UsageError("gluster needs a host")
    return {"volume": volume, "path": path, "server": [_address(host, location.protocol) for host in location.hosts]}


def _ssh(location: NetworkLocation) -> _Object:
    inside: _Object = {"path": _name(location), "server": _tcp(_only_host(location), location.protocol)}
    if isinstance(location.options, SshOptions):
        _set(inside, user=location.options.username)
        if not location.options.check_host_key:
            # The older spelling, which libvirt reads too.
            inside["host_key_check"] = "no"
    return inside


def _vxhs(location: NetworkLocation) -> _Object:
    return {"vdisk-id": _name(location), "server": _tcp(_only_host(location), location.protocol)}


def _sheepdog(location: NetworkLocation) -> _Object:
    return {"server": _address(_only_host(location), location.protocol), "vdi": _name(location)}


def _set(inside: _Object, **values: Any) -> None:
    """Store the values that say something."""
    inside.update({key: value for key, value in values.items() if value is not None and value != ""})


def _only_host(location: NetworkLocation) -> NetworkHost:
    if len(location.hosts) != 1:
        raise UsageError(f"{location.protocol} needs exactly one host")
    return location.hosts[0]


def _name(location: NetworkLocation) -> str:
    if not location.name:
        raise UsageError(f"{location.protocol} needs a name")
    return location.name


def _cut_name(location: NetworkLocation) -> tuple[str, str]:
    first, _, rest = _name(location).partition("/")
    if not first or not rest:
        raise UsageError(f"a {location.protocol} name has two parts")
    return first, rest


def _tcp(host: NetworkHost, protocol: Protocol, otherwise: int | None = None) -> _Object:
    """``otherwise``: the port of a host without one, where the protocol has no usual one."""
    host = without_brackets(host)
    if host.transport is not Transport.TCP or not host.name:
        raise UsageError(f"{protocol} needs a TCP host")
    port = host.port or DEFAULT_PORTS.get(protocol, otherwise)
    if port is None:
        raise UsageError(f"{protocol} needs a port, and has no usual one")
    return {"host": host.name, "port": str(port)}


def _address(host: NetworkHost, protocol: Protocol) -> _Object:
    if host.transport is Transport.UNIX:
        if not host.socket:
            raise UsageError("a unix host needs a socket")
        return {"type": "unix", "path": host.socket}
    return {"type": "inet", **_tcp(host, protocol)}


def _rbd(location: NetworkLocation) -> _Object:
    pool, image = _cut_name(location)
    inside: _Object = {"pool": pool}
    namespace, slash, inner = image.partition("/")
    if slash:
        inside["namespace"], image = namespace, inner
    inside["image"] = image
    _set(inside, snapshot=location.snapshot, conf=location.config_file)
    if location.hosts:
        inside["server"] = [_tcp(host, location.protocol, _ANY_PORT) for host in location.hosts]
    if isinstance(location.options, RbdOptions):
        _set(inside, user=location.options.user)
    return inside


def _iscsi(location: NetworkLocation) -> _Object:
    target, _, unit = _name(location).partition("/")
    if unit and not (unit.isascii() and unit.isdecimal()):
        raise UsageError("the unit of an iSCSI name must be a number")
    server = _tcp(_only_host(location), location.protocol)
    host = f"[{server['host']}]" if ":" in server["host"] else server["host"]
    inside: _Object = {
        "portal": f"{host}:{server['port']}",
        "target": target,
        "lun": int(unit or 0),
        "transport": "tcp",
    }
    if isinstance(location.options, IscsiOptions):
        _set(inside, **{"initiator-name": location.options.initiator})
    return inside


def _nfs(location: NetworkLocation) -> _Object:
    host = _only_host(location)
    if host.transport is not Transport.TCP or not host.name or host.port is not None:
        raise UsageError("nfs needs a TCP host, and no port")
    inside: _Object = {"server": {"host": host.name, "type": "inet"}, "path": _name(location)}
    if isinstance(location.options, NfsOptions):
        for key, number in (("user", location.options.user), ("group", location.options.group)):
            if number is not None:
                if not number.startswith("+") or not (number[1:].isascii() and number[1:].isdecimal()):
                    raise UsageError(f"nfs {key}: a backing string holds +NUMBER, never a name")
                inside[key] = int(number[1:])
    return inside


def _curl(location: NetworkLocation, url: Callable[[NetworkLocation], str]) -> _Object:
    inside: _Object = {"url": url(location)}
    if isinstance(location.options, HttpOptions):
        _set(inside, sslverify=location.options.ssl_verify)
        if location.options.cookies:
            for cookie in location.options.cookies:
                if (
                    not cookie.name
                    or ";" in cookie.name + cookie.value
                    or "=" in cookie.name
                    or cookie.name[0].isspace()
                ):
                    raise UsageError("a cookie that cannot be told from its neighbours")
            inside["cookie"] = "; ".join(f"{cookie.name}={cookie.value}" for cookie in location.options.cookies)
        _set(inside, timeout=location.options.timeout or None, readahead=location.options.readahead or None)
    return inside


#: Drivers with an object of their own; libcurl's share one.
_WRITERS: Final[dict[Protocol, Callable[[NetworkLocation], _Object]]] = {
    Protocol.NBD: _nbd,
    Protocol.RBD: _rbd,
    Protocol.ISCSI: _iscsi,
    Protocol.GLUSTER: _gluster,
    Protocol.SSH: _ssh,
    Protocol.NFS: _nfs,
    Protocol.VXHS: _vxhs,
    Protocol.SHEEPDOG: _sheepdog,
}
