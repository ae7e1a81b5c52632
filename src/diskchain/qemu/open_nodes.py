"""Bring the nodes of an emission up in a storage daemon, each layer with its own key; say which layer failed, and why.

Knows the order of commands and QEMU's words for a wrong key. Must not know where keys come from.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from diskchain.errors import LoginRefused, PeerError, SecretMissing, SecretWrong, StorageTimeout, printable
from diskchain.qemu.daemon import QmpRefused, StorageDaemon
from diskchain.qemu.emission import Emission, NodeItem, ObjectItem, SecretItem
from diskchain.qemu.network import refused_login
from diskchain.secrets.value import SecretValue
from diskchain.storage.protocol_options import Cookie

#: QEMU ``block/crypto.c`` by way of ``crypto/block-luks.c``.
_WRONG_KEY: Final = "Invalid password, cannot unlock any keyslot"

#: QEMU ``crypto/block-luks.c``, of a header that a document takes for version 1.
_LUKS2: Final = "LUKS version 2 is not supported"

#: QEMU ``crypto/secret_common.c``: of bytes that are no text.
_NO_TEXT: Final = "is not valid UTF-8"

#: QEMU ``block/file-posix.c``: another process has the image open, and one of the two writes.
_LOCKED: Final = ("Failed to get shared", 'Failed to get "')


class LayerRefused(PeerError):
    """QEMU does not open a layer. ``layer`` is its name; ``locked``: somebody else has it open, and one of the two writes."""

    def __init__(self, problem: str, *, layer: str, locked: bool = False) -> None:
        super().__init__(f"{printable(layer)}: {problem}")
        self.layer = layer
        self.locked = locked


def open_nodes(
    daemon: StorageDaemon, emission: Emission, keys: Mapping[str, SecretValue], names: Sequence[str]
) -> None:
    """Make every object and node, bottom up.

    ``keys``: the value for each :class:`SecretItem` by its id; cookies need none. ``names``: what each layer is called in
    errors, top first. Raises SecretMissing before anything is made, SecretWrong, LoginRefused, LayerRefused, and what
    :meth:`~diskchain.qemu.daemon.StorageDaemon.execute` raises.
    """
    for item in emission.items:
        if isinstance(item, SecretItem) and item.purpose != "cookie" and item.id not in keys:
            raise SecretMissing("no key is at hand", layer=names[item.layer])
    for item in emission.items:
        try:
            if isinstance(item, SecretItem):
                _add_secret(daemon, item, keys)
            elif isinstance(item, ObjectItem):
                daemon.execute("object-add", item.properties)
            else:
                daemon.execute("blockdev-add", item.properties)
        except QmpRefused as error:
            if _WRONG_KEY in str(error):
                raise SecretWrong("the key does not open it", layer=names[item.layer]) from error
            if _NO_TEXT in str(error):
                raise SecretWrong(
                    "the key is no UTF-8 text, and QEMU takes no other", layer=names[item.layer]
                ) from error
            refused = refused_login(str(error), tls=isinstance(item, NodeItem) and "tls-creds" in item.properties)
            if refused is not None:
                raise LoginRefused(refused, path=names[item.layer]) from error
            hint = "; cryptsetup and the kernel can open it" if _LUKS2 in str(error) else ""
            locked = any(words in str(error) for words in _LOCKED)
            raise LayerRefused(f"{error}{hint}", layer=names[item.layer], locked=locked) from error
        except StorageTimeout as error:
            raise StorageTimeout(error.problem, path=names[item.layer]) from error


def _add_secret(daemon: StorageDaemon, item: SecretItem, keys: Mapping[str, SecretValue]) -> None:
    if item.purpose == "cookie":
        daemon.add_secret(item.id, cookie_text(item.cookies).encode())
        return
    with keys[item.id].reveal() as value:
        daemon.add_secret(item.id, value)


def cookie_text(cookies: Sequence[Cookie]) -> str:
    """Cookies as the line libcurl sends. A secret."""
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies)


def close_nodes(daemon: StorageDaemon, emission: Emission) -> None:
    """Take away what :func:`open_nodes` made, or what of it there is, top down."""
    for item in reversed(emission.items):
        try:
            if isinstance(item, NodeItem):
                daemon.execute("blockdev-del", {"node-name": item.properties["node-name"]})
            else:
                id = item.id if isinstance(item, SecretItem) else item.properties["id"]
                daemon.execute("object-del", {"id": id})
        except QmpRefused:
            continue  # never made
