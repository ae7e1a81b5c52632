"""Read what only QEMU can open (iSCSI, RBD, NFS, Gluster, ftp, NBD over TLS …): a storage daemon shows its raw bytes to us.

One daemon serves all images of a :class:`Bridge`, read-only, on a unix socket nobody else can reach: it loses its name at once, so that
nothing is left behind however we end. A server that does not answer
blocks that whole daemon, so then it is ended, and the next image gets a new one.
"""

import os
import re
import socket
import tempfile
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self

from diskchain.errors import (
    LoginRefused,
    PeerError,
    StorageDenied,
    StorageError,
    StorageMissing,
    StorageTimeout,
    UsageError,
)
from diskchain.qemu.daemon import QmpRefused, StorageDaemon
from diskchain.qemu.network import Login, network_node, refused_login
from diskchain.qemu.policy import TLS_DIRECTORY
from diskchain.readers.credentials import Credentials
from diskchain.readers.nbd import open_nbd
from diskchain.readers.remote import TIMEOUT, RemoteImage
from diskchain.storage.location import Location, NetworkLocation, describe_location
from diskchain.storage.protocol_options import HttpOptions
from diskchain.storage.terms import Protocol

#: What QEMU 7.2 and its libraries say when a server was reached and has no such image. "No such file or directory" alone is no such word:
#: it may be of a ceph.conf, a keyring or a certificate of this host.
_NO_IMAGE: Final = {
    Protocol.RBD: r"error reading header from .*: No such file or directory",
    Protocol.NFS: r"Failed to open file : .*NFS3ERR_NOENT",
    Protocol.GLUSTER: r"Could not open '.*': No such file or directory",
    Protocol.ISCSI: r"LOGICAL_UNIT_NOT_SUPPORTED|Status: Target not found",
    Protocol.NBD: r"Requested export not available",
    Protocol.HTTP: r"returned error: 404",
    Protocol.HTTPS: r"returned error: 404",
    Protocol.FTP: r"Remote file not found|The file does not exist|RETR response: 550",
    Protocol.FTPS: r"Remote file not found|The file does not exist|RETR response: 550",
}
#: What else they say, and what it means to us, once it is known that no login was refused.
_MEANINGS: Final = (
    ("Permission denied", StorageDenied),
    ("Operation not permitted", StorageDenied),
    ("timed out", StorageTimeout),
)
#: What librados says where it does not know whom to ask.
_NO_CLUSTER: Final = re.compile(r"error (connecting|initializing|reading conf file .*): No such file or directory")
_TLS: Final = "bridge-tls"


class Bridge:
    """A bridge to all that QEMU can open. Use as a context manager; call it with a location, a timeout in seconds, and what logs in.

    ``tls_directory`` holds the certificates for servers with TLS.
    """

    def __init__(self, *, tls_directory: str = TLS_DIRECTORY) -> None:
        self._tls_directory = tls_directory
        self._daemon: StorageDaemon | None = None
        self._nbd = _Listener()
        self._number = 0
        self._certified: StorageDaemon | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the daemon; its images are closed with it. Harmless when repeated."""
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            daemon.close()
        self._nbd.close()

    def __call__(
        self, location: Location, timeout: float = TIMEOUT, credentials: Credentials | None = None
    ) -> RemoteImage:
        """The image at a network location.

        Raises StorageMissing, StorageDenied, LoginRefused, StorageTimeout, StorageError, MissingExtra.
        """
        name = describe_location(location)
        if not isinstance(location, NetworkLocation):
            raise StorageError(f"a {location.type} cannot be bridged", path=name)
        try:
            daemon = self._running(timeout)
            node = self._node(daemon, location, credentials)
            try:
                daemon.execute("blockdev-add", node)
            finally:
                self._forget_secrets(daemon, node)
        except QmpRefused as error:
            raise meaning(error, location, name) from error
        except UsageError as error:
            raise StorageError(str(error), path=name) from error
        except StorageTimeout as error:
            self.close()
            raise StorageTimeout(f"no answer in {timeout:g} s", path=name) from error
        except PeerError as error:
            self.close()
            raise StorageError(str(error), path=name) from error
        return self._exported(daemon, str(node["node-name"]), name, timeout)

    def _running(self, timeout: float) -> StorageDaemon:
        if self._daemon is None:
            with self._nbd.open() as listening:
                self._daemon = StorageDaemon(timeout=timeout, nbd=listening).__enter__()
        return self._daemon

    def _node(
        self, daemon: StorageDaemon, location: NetworkLocation, credentials: Credentials | None
    ) -> dict[str, Any]:
        self._number += 1
        name = f"bridge-{self._number}"
        login = Login()
        if credentials is not None:
            login = replace(login, user=credentials.user)
            if credentials.password is not None:
                login = replace(login, secret=f"{name}-password")
                with credentials.password.reveal() as password:
                    daemon.add_secret(f"{name}-password", password)
        if isinstance(location.options, HttpOptions) and location.options.cookies:
            from diskchain.qemu.open_nodes import cookie_text

            login = replace(login, cookies=f"{name}-cookies")
            daemon.add_secret(f"{name}-cookies", cookie_text(location.options.cookies).encode())
        if location.tls:
            login = replace(login, tls=_TLS)
            self._read_certificates(daemon, describe_location(location))
        return {**network_node(location, login), "node-name": name, "read-only": True, "force-share": True}

    def _read_certificates(self, daemon: StorageDaemon, name: str) -> None:
        """Once for each daemon. Raises StorageError where they are not there or no good."""
        if self._certified is daemon:
            return
        certificates = {"dir": self._tls_directory, "endpoint": "client", "verify-peer": True}
        try:
            daemon.execute("object-add", {"qom-type": "tls-creds-x509", "id": _TLS, **certificates})
        except QmpRefused as error:
            raise StorageError(
                f"the certificates in {self._tls_directory} cannot be used: {error}", path=name
            ) from error
        self._certified = daemon

    def _forget_secrets(self, daemon: StorageDaemon, node: dict[str, Any]) -> None:
        """Drivers read them once, when they connect."""
        for key in ("password-secret", "key-secret", "cookie-secret"):
            if key in node:
                with suppress(PeerError, StorageTimeout):
                    daemon.execute("object-del", {"id": node[key]})

    def _exported(self, daemon: StorageDaemon, node: str, name: str, timeout: float) -> RemoteImage:
        def forget() -> None:
            if self._daemon is daemon:
                with suppress(PeerError, StorageTimeout):
                    daemon.execute("block-export-del", {"id": node, "mode": "hard"})
                with suppress(PeerError, StorageTimeout):
                    daemon.execute("blockdev-del", {"node-name": node})

        try:
            daemon.execute("block-export-add", {"type": "nbd", "id": node, "node-name": node, "name": node})
        except QmpRefused as error:
            forget()
            raise StorageError(str(error), path=name) from error
        return open_nbd(self._nbd.address, node, name=name, timeout=timeout, then=forget)


class _Listener:
    """A unix socket without a name. Whoever holds its inode reaches it, and that is this process alone."""

    def __init__(self) -> None:
        self._inode = -1

    @property
    def address(self) -> str:
        """What connects to it, unix(7) and proc(5)."""
        return f"/proc/self/fd/{self._inode}"

    def open(self) -> socket.socket:
        """A new one, listening; the caller closes it once somebody else has it."""
        self.close()
        listening = socket.socket(socket.AF_UNIX)
        with tempfile.TemporaryDirectory(prefix="diskchain-") as directory:
            path = os.path.join(directory, "nbd")
            listening.bind(path)
            self._inode = os.open(path, os.O_PATH | os.O_CLOEXEC)
        listening.listen()
        return listening

    def close(self) -> None:
        """Forget it. Harmless when repeated."""
        inode, self._inode = self._inode, -1
        if inode >= 0:
            os.close(inode)


def meaning(error: QmpRefused, location: NetworkLocation, name: str) -> StorageError:
    """What QEMU's refusal to open ``location``, called ``name``, means. Missing is only what a server that was reached does not have."""
    text = str(error)
    refused = refused_login(text, tls=location.tls)
    if refused is not None:
        return LoginRefused(refused, path=name)
    if location.protocol in _NO_IMAGE and re.search(_NO_IMAGE[location.protocol], text):
        return StorageMissing(text, path=name)
    for words, kind in _MEANINGS:
        if words in text:
            return kind(text, path=name)
    if location.protocol is Protocol.RBD and _NO_CLUSTER.search(text):
        text = f"{text}: librados found no ceph.conf or no keyring on this host"
    return StorageError(text, path=name)
