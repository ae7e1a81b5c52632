"""Where the bytes of one source are: a union of small values, told apart by class (and by their ``type``).

Source: libvirt 11.3.0 ``<source>``. Knows only ``terms``.
"""

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from diskchain._forward import Late, named_late
from diskchain.storage.terms import Protocol, StorageType, Transport, VolumeMode

if TYPE_CHECKING:  # local images have none: start-up
    from diskchain.storage.protocol_options import ProtocolOptions


class FileLocation(NamedTuple):
    """A file. ``path`` None is an empty drive; ``fdgroup`` names file descriptors handed over through the API."""

    path: str | None
    fdgroup: str | None = None
    type: Literal[StorageType.FILE] = StorageType.FILE


_new: Final = tuple.__new__
_FILE: Final = StorageType.FILE


def file_location(path: str) -> FileLocation:
    """``FileLocation(path)`` at a third of the cost: what headers name is mostly one."""
    return _new(FileLocation, (path, None, _FILE))


class BlockLocation(NamedTuple):
    """A host block device."""

    path: str | None
    type: Literal[StorageType.BLOCK] = StorageType.BLOCK


class DirLocation(NamedTuple):
    """A directory QEMU shows to the guest as a FAT file system."""

    path: str | None
    type: Literal[StorageType.DIR] = StorageType.DIR


class NetworkHost(NamedTuple):
    """One server. TCP and RDMA have ``name`` and perhaps ``port`` (0…65535, None: the protocol's default); unix has ``socket``."""

    name: str | None = None
    port: int | None = None
    socket: str | None = None
    transport: Transport = Transport.TCP


def without_brackets(host: NetworkHost) -> NetworkHost:
    """``host``, an IPv6 address without the brackets that URIs put around it: ``[::1]`` and ``::1`` are one host."""
    name = host.name
    if name is None or not (name.startswith("[") and name.endswith("]") and ":" in name):
        return host
    return host._replace(name=name[1:-1])


@named_late(ProtocolOptions="diskchain.storage.protocol_options")
class NetworkLocation(NamedTuple):
    """Storage QEMU reaches over a network protocol.

    ``name`` is the export, ``pool/image``, ``volume/path``, ``iqn/lun`` or path, as one string, without a leading slash
    for URL-like protocols; None where the protocol has none (an unnamed NBD export). ``snapshot`` and
    ``config_file`` are meant for rbd. ``tls`` None means "as qemu.conf says"; ``tls_from_config``: in a running domain,
    it did say so.
    """

    protocol: Protocol
    name: str | None = None
    hosts: tuple[NetworkHost, ...] = ()
    options: Late["ProtocolOptions | None"] = None
    tls: bool | None = None
    snapshot: str | None = None
    config_file: str | None = None
    tls_from_config: bool = False
    type: Literal[StorageType.NETWORK] = StorageType.NETWORK


@named_late()
class VolumeLocation(NamedTuple):
    """A volume of a libvirt storage pool. Both names empty: an empty drive.

    ``actual`` is what libvirt translated the volume to; in a running domain's status only.
    """

    pool: str
    volume: str
    mode: VolumeMode | None = None
    actual: Late["Location | None"] = None
    type: Literal[StorageType.VOLUME] = StorageType.VOLUME


class PciAddress(NamedTuple):
    """A PCI function on the host."""

    domain: int
    bus: int
    slot: int
    function: int

    def __str__(self) -> str:
        return f"{self.domain:04x}:{self.bus:02x}:{self.slot:02x}.{self.function:x}"


class NvmeLocation(NamedTuple):
    """An NVMe namespace driven by QEMU itself. ``namespace`` counts from 1; ``managed`` None: libvirt's default (yes)."""

    address: PciAddress
    namespace: int
    managed: bool | None = None
    type: Literal[StorageType.NVME] = StorageType.NVME


class VhostUserLocation(NamedTuple):
    """A vhost-user-blk server's socket. ``reconnect_timeout`` in seconds."""

    path: str | None
    reconnect: bool | None = None
    reconnect_timeout: int | None = None
    type: Literal[StorageType.VHOSTUSER] = StorageType.VHOSTUSER


class VhostVdpaLocation(NamedTuple):
    """A vhost-vdpa character device."""

    path: str
    type: Literal[StorageType.VHOSTVDPA] = StorageType.VHOSTVDPA


Location = (
    FileLocation
    | BlockLocation
    | DirLocation
    | NetworkLocation
    | VolumeLocation
    | NvmeLocation
    | VhostUserLocation
    | VhostVdpaLocation
)

#: Locations with a path this host can open.
LocalLocation = FileLocation | BlockLocation | DirLocation


#: Their names have a slash at the start, or are relative to a home.
_SLASHED = (Protocol.SSH, Protocol.NFS)
_LOCAL = (FileLocation, BlockLocation, DirLocation)


def local_path(location: Location) -> str | None:
    """The path of a file, block device or directory; None for everything else and for an empty drive."""
    if isinstance(location, _LOCAL):
        return location.path
    return None


def short_name(location: Location) -> str:
    """The last part of a path, or a server's storage in one line, fit for a terminal. Never contains a secret."""
    from diskchain.errors import printable

    path = local_path(location)
    return printable(path.rpartition("/")[2] or path if path else describe_location(location) or "an empty drive")


def describe_location(location: Location) -> str:
    """One short line for people: a path, or something URL-like. Never contains a secret."""
    if isinstance(location, _LOCAL):
        return location.path or ""
    if isinstance(location, NetworkLocation):
        host = location.hosts[0] if location.hosts else NetworkHost()
        if host.transport is Transport.UNIX:
            server = host.socket or ""
        else:
            name = host.name or ""
            server = f"[{name}]" if ":" in name and not name.startswith("[") else name
            if host.port is not None:
                server += f":{host.port}"
        suffix = "" if host.transport is Transport.TCP else f"+{host.transport}"
        path = location.name or ""
        if location.protocol in _SLASHED:
            path = path[1:] if path[:1] == "/" else f"./{path}"
        return f"{location.protocol}{suffix}://{server}/{path}"
    if isinstance(location, VolumeLocation):
        return f"{location.pool}/{location.volume}"
    if isinstance(location, NvmeLocation):
        return f"nvme {location.address} namespace {location.namespace}"
    return location.path or ""
