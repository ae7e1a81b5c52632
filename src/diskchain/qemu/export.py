"""Show a node of a storage daemon to other programs, over NBD or through FUSE; and put a throw-away overlay over it.

Knows QMP's export commands. Must not know chains.
"""

import os
import urllib.parse
from typing import Any, Final

from diskchain.errors import PeerError, StorageError
from diskchain.qemu.create import CreateItem, ImageOptions, creation
from diskchain.qemu.daemon import QmpRefused, StorageDaemon
from diskchain.qemu.emission import NodeItem, SecretItem
from diskchain.secrets.value import SecretValue
from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.location import FileLocation
from diskchain.storage.runtime import Runtime
from diskchain.storage.source import Source
from diskchain.storage.terms import Format

_EXPORT: Final = "diskchain-export"
_OVERLAY: Final = "diskchain-overlay"
_KEY_BYTES: Final = 32
#: The key is random already, so nothing is gained by making guesses slow. Milliseconds.
_ITER_TIME: Final = 10
#: The slowest of QEMU's hashes: making a LUKS key, QEMU times itself, and gives up when that took no time at all (seen in 7.2,
#: on a kernel that counts CPU time in ticks). Another try may go through.
_HASH: Final = "sha512"
_BUSY: Final = "Unable to get accurate CPU usage"
_TRIES: Final = 10


def nbd_uri(socket: str) -> str:
    """The URI of the default export on a unix socket. Source: the NBD project's *NBD URI specification*."""
    return "nbd+unix:///?socket=" + urllib.parse.quote(socket, safe="/")


def export_nbd(daemon: StorageDaemon, node: str, socket: str, *, writable: bool = False) -> str:
    """Serve ``node`` as the default export on ``socket``; returns its URI. Raises StorageError, and as StorageDaemon.execute does."""
    try:
        daemon.execute("nbd-server-start", {"addr": {"type": "unix", "data": {"path": socket}}})
    except QmpRefused as error:
        raise StorageError(f"no socket can be made there: {error}", path=socket) from error
    _export(daemon, {"type": "nbd", "node-name": node, "name": "", "writable": writable})
    return nbd_uri(socket)


def export_fuse(daemon: StorageDaemon, node: str, file: str, *, writable: bool = False) -> None:
    """Let the regular file ``file`` show the bytes of ``node``. Raises as StorageDaemon.execute does."""
    _export(daemon, {"type": "fuse", "node-name": node, "mountpoint": file, "writable": writable})


def _export(daemon: StorageDaemon, export: dict[str, Any]) -> None:
    daemon.execute("block-export-add", {"id": _EXPORT, **export})


def virtual_size(daemon: StorageDaemon, node: str) -> int:
    """What a guest would see of ``node``, in bytes."""
    for info in daemon.execute("query-named-block-nodes", {"flat": True}):
        if info["node-name"] == node:
            return int(info["image"]["virtual-size"])
    raise PeerError(f"the storage daemon has no node {node}")


def add_overlay(daemon: StorageDaemon, below: str, directory: str, *, encrypted: bool) -> str:
    """Put a temporary qcow2 overlay in ``directory`` over the node ``below``; returns the overlay's node.

    Its file has no name any more when this returns: it is gone with the daemon, whatever happens. ``encrypted``: with a
    random key that nobody knows, so that what was encrypted below is not in the clear here.
    """
    path = os.path.join(directory, "overlay.qcow2")
    size = virtual_size(daemon, below)
    new = Source(
        FileLocation(path),
        Format.QCOW2,
        encryption=Encryption(EncryptionFormat.LUKS) if encrypted else None,
        runtime=Runtime(f"{_OVERLAY}-file", _OVERLAY),
    )
    try:
        for step in creation(new, size, ImageOptions(key_time=_ITER_TIME, key_hash=_HASH)).steps:
            match step:
                case SecretItem():
                    with SecretValue(os.urandom(_KEY_BYTES).hex().encode()) as value, value.reveal() as revealed:
                        daemon.add_secret(step.id, revealed)
                case NodeItem():
                    daemon.execute("blockdev-add", step.properties)
                case CreateItem():
                    _create(daemon, step.properties)
        node: dict[str, Any] = {"driver": "qcow2", "node-name": _OVERLAY, "file": f"{_OVERLAY}-file", "backing": below}
        if encrypted:
            node["encrypt"] = {"format": "luks", "key-secret": f"{_OVERLAY}-encryption-secret0"}
        daemon.execute("blockdev-add", node)
    finally:
        if os.path.exists(path):
            os.unlink(path)
    return _OVERLAY


def _create(daemon: StorageDaemon, options: dict[str, Any]) -> None:
    for tries_left in reversed(range(_TRIES)):
        try:
            daemon.job("blockdev-create", {"options": options}, "create-overlay")
        except QmpRefused as error:
            if _BUSY not in str(error) or not tries_left:
                raise
        else:
            return
