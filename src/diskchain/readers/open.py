"""Open what a source names, wherever it is: the one door for whoever reads images without caring for protocols.

Reaching for the network is the caller's decision. What only QEMU can open goes through a ``bridge``: a callable, since readers do
not know QEMU (:class:`diskchain.qemu.bridge.Bridge` is one).
"""

from collections.abc import Callable

from diskchain.errors import StorageError
from diskchain.readers.credentials import Credentials
from diskchain.readers.local import LocalImage, open_local
from diskchain.readers.remote import TIMEOUT, RemoteImage
from diskchain.storage.location import (
    Location,
    NetworkLocation,
    describe_location,
    local_path,
    without_brackets,
)
from diskchain.storage.terms import DEFAULT_PORTS, Protocol, Transport

#: Opens a location with QEMU's drivers; the second argument is the timeout in seconds, the third what logs in.
Bridge = Callable[[Location, float, Credentials | None], RemoteImage]

#: What every reader gives: ``facts``, ``head``, ``pread`` without a bound, and ``window()``, which is what a header may ask.
Image = LocalImage | RemoteImage


def open_location(
    location: Location,
    *,
    timeout: float = TIMEOUT,
    bridge: Bridge | None = None,
    credentials: Credentials | None = None,
) -> Image:
    """The image at ``location``, open for reading. ``timeout``: seconds a server may take for each answer.

    ``credentials`` log in to its server. Raises StorageMissing, StorageDenied, LoginRefused, NotStorage, StorageTimeout,
    StorageError for anything else, also for what nothing here can open; MissingExtra when a package is missing for it.
    """
    path = local_path(location)
    if path is not None:
        return open_local(path)
    if isinstance(location, NetworkLocation):
        image = _direct(location, timeout, credentials)
        if image is not None:
            return image
        if bridge is not None:
            return bridge(location, timeout, credentials)
        raise StorageError(f"nothing here reads {location.protocol} without QEMU", path=describe_location(location))
    raise StorageError(f"a {location.type} cannot be read from here", path=describe_location(location))


def _direct(location: NetworkLocation, timeout: float, credentials: Credentials | None) -> RemoteImage | None:
    """The image, where we speak the protocol ourselves."""
    match location.protocol:
        case Protocol.HTTP | Protocol.HTTPS:
            from diskchain.readers.http import open_http

            return open_http(location, timeout=timeout, credentials=credentials)
        case Protocol.SSH:
            from diskchain.readers.ssh import open_ssh

            return open_ssh(location, timeout=timeout, credentials=credentials)
        case Protocol.NBD if not location.tls and len(location.hosts) == 1 and credentials is None:
            from diskchain.readers.nbd import open_nbd

            host = without_brackets(location.hosts[0])
            name = describe_location(location)
            if host.transport is Transport.UNIX and host.socket:
                return open_nbd(host.socket, location.name or "", name=name, timeout=timeout)
            if host.transport is Transport.TCP and host.name:
                address = (host.name, host.port or DEFAULT_PORTS[Protocol.NBD])
                return open_nbd(address, location.name or "", name=name, timeout=timeout)
    return None
