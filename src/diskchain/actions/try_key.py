"""Does a key open its layer, does a login let us in? Tried read-only, each by itself; the answer is a word for people."""

from typing import Any, Final

from diskchain.actions.node_policy import NodeDisk
from diskchain.actions.numbering import number_chains
from diskchain.discover.chain import Layer
from diskchain.errors import DiskchainError, LoginRefused, PeerError, SecretWrong, UsageError
from diskchain.readers.local import open_local
from diskchain.secrets.keys import Found
from diskchain.storage.location import local_path
from diskchain.storage.source import TERMINATOR, Source

YES: Final = "yes"
NO: Final = "no"
UNSURE: Final = "could not tell"


def could_not_tell(error: DiskchainError) -> str:
    """The answer when an error kept us from it."""
    return f"{UNSURE}: {str(error).splitlines()[0]}"


def try_key(layer: Layer, names: tuple[str, ...], found: Found, certificates: str) -> str:
    """Open the layer by itself: what is below it matters to no key. ``certificates``: their directory, for NBD over TLS."""
    header = layer.header
    if header is not None and header.encryption is not None and header.encryption.kind == "luks2":
        return _try_luks2(layer.source, found)
    return _try_in_qemu(layer.source, names, found, certificates)


def _try_luks2(source: Source, found: Found) -> str:
    """By ourselves: QEMU does not know LUKS2."""
    from diskchain.image.luks.luks2_unlock import opens_luks2

    path = local_path(source.location)
    if path is None:
        return f"{UNSURE}: LUKS2 is tried on this host only"
    try:
        with open_local(path) as image, found.value.reveal() as passphrase:
            return YES if opens_luks2(image.window(), passphrase, source.slice.offset if source.slice else 0) else NO
    except DiskchainError as error:
        return could_not_tell(error)


def _try_in_qemu(source: Source, names: tuple[str, ...], found: Found, certificates: str) -> str:
    from diskchain.qemu.blockdev import blockdev
    from diskchain.qemu.daemon import StorageDaemon
    from diskchain.qemu.emission import SecretItem
    from diskchain.qemu.open_nodes import open_nodes
    from diskchain.qemu.policy import QSD_SHARED, NodePolicy

    bare = source._replace(backing=TERMINATOR)
    (alone,) = number_chains([NodeDisk(names[0], bare)], [bare])
    try:
        emission = blockdev(alone.source, NodePolicy(tls_directory=certificates), QSD_SHARED)
        wanted: dict[str, Any] = {item.id: found.value for item in emission.items if isinstance(item, SecretItem)}
        with StorageDaemon() as daemon:
            open_nodes(daemon, emission, wanted, [names[0]])
    except SecretWrong:
        return NO
    except (UsageError, PeerError) as error:
        return could_not_tell(error)
    return YES


def try_login(source: Source, user: str, found: Found, certificates: str) -> str:
    """Log in and open what is there, whatever it is. ``certificates``: their directory, for NBD over TLS."""
    from diskchain.qemu.bridge import Bridge
    from diskchain.readers.credentials import Credentials
    from diskchain.readers.open import open_location

    try:
        with Bridge(tls_directory=certificates) as bridge:
            open_location(source.location, bridge=bridge, credentials=Credentials(user, found.value)).close()
    except LoginRefused:
        return NO
    except DiskchainError as error:
        return could_not_tell(error)
    return YES
