"""A chain with all its keys in a qemu-storage-daemon, served as a block device; the images stay untouched.

Everything that appears in the file system for it is gone at the end, also after a kill: a second process sees to that.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from diskchain.actions.blockdev import Picked, block_nodes, pick
from diskchain.actions.chains import DEFAULT, Examined, Settings, examine_one
from diskchain.actions.keys import NO_KEYS, KeyPlaces, gathered, open_keys
from diskchain.actions.target import TargetName
from diskchain.errors import ImageError, PeerError, StorageError, UsageError, printable
from diskchain.findings import Finding, Severity, Verdict, verdict
from diskchain.qemu.daemon import StorageDaemon
from diskchain.qemu.emission import Emission, SecretItem
from diskchain.qemu.export import add_overlay, export_fuse, export_nbd, nbd_uri
from diskchain.qemu.open_nodes import LayerRefused, open_nodes
from diskchain.qemu.policy import QSD, QSD_SHARED
from diskchain.secrets.keys import Keys
from diskchain.storage.location import NetworkLocation
from diskchain.storage.source import Source, Terminator, chain_end, layers
from diskchain.storage.terms import BACKING_FORMATS
from diskchain.system.cleanup import Guard

#: What discovery says of a layer on a server, which is about to be opened.
_LOOKED_AT_BY_QEMU: Final = "not-inspected"
#: ``sockaddr_un``, unix(7): 108 bytes with a NUL.
_SOCKET_PATH_MAX: Final = 107


@dataclass(frozen=True, slots=True)
class Serving:
    """How a chain is served.

    ``write_overlay``: writes go to a temporary overlay, forgotten at the end, in ``overlay_directory`` (default: TMPDIR); else they are
    refused. ``fuse``: as this file; else over NBD, on the unix ``socket`` (default: one in TMPDIR). ``in_use``: images that a VM has
    open are opened, too; what is read may not fit together.
    """

    write_overlay: bool = False
    overlay_directory: str | None = None
    socket: str | None = None
    fuse: str | None = None
    in_use: bool = False


_READ_ONLY: Final = Serving()


@dataclass(frozen=True, slots=True)
class OpenChain:
    """A chain that is being served. ``uri``: ``nbd+unix://…`` or ``file://…``; ``path``: the file, with FUSE alone."""

    uri: str
    path: str | None
    daemon: StorageDaemon
    guard: Guard


@contextmanager
def open_chain(  # noqa: PLR0913  # a keyword for each thing that can be chosen
    name: TargetName,
    wanted: Sequence[str] = (),
    *,
    settings: Settings = DEFAULT,
    keys: KeyPlaces = NO_KEYS,
    serving: Serving = _READ_ONLY,
    tell: Callable[[Finding], None] = lambda _: None,
    begin: Callable[[], None] = lambda: None,
    end: Callable[[], None] = lambda: None,
) -> Iterator[OpenChain]:
    """Serve one disk of a target, or what is below one of its layers.

    ``tell`` gets what is wrong with the chain and does not keep it from being opened; ``begin`` is called when from then on there is
    something to tear down, ``end`` right before that is done. Raises UsageError, StorageError, ImageError for a chain with faults, SecretError, PeerError.
    """
    if serving.overlay_directory is not None and not serving.write_overlay:
        raise UsageError("--overlay-dir says where the overlay of --write-overlay is, which was not asked for")
    with ExitStack() as exits:
        try:
            yield _served(exits, name, wanted, settings, keys, serving, tell, begin)
        except LayerRefused as error:
            if error.locked and not serving.in_use:
                raise PeerError(f"{error}; a VM or another program has it open: --in-use") from error
            raise
        finally:
            end()


def _served(  # noqa: PLR0913, PLR0917  # what open_chain takes
    exits: ExitStack,
    name: TargetName,
    wanted: Sequence[str],
    settings: Settings,
    key_places: KeyPlaces,
    serving: Serving,
    tell: Callable[[Finding], None],
    begin: Callable[[], None],
) -> OpenChain:
    place = _Place(exits, exits.enter_context(Guard()))  # before there is any secret in memory
    with open_keys(key_places) as keys:
        picked = _picked(name, wanted, settings, keys, key_places, tell)
        (nodes,) = block_nodes(picked, QSD_SHARED if serving.in_use else QSD, key_places.tls_directory)
        emission, names = nodes.emission, nodes.chain.names
        with gathered(emission, names, keys, picked.others) as values:
            begin()
            at = place.file(serving.fuse) if serving.fuse is not None else place.socket(serving.socket)
            daemon = exits.enter_context(StorageDaemon())
            place.guard.process(daemon.pid)
            open_nodes(daemon, emission, values, [each[0] for each in names])
    node = emission.top
    if serving.write_overlay:
        directory = place.directory(serving.overlay_directory)
        node = add_overlay(daemon, node, directory, encrypted=_is_encrypted(emission))
    if serving.fuse is not None:
        export_fuse(daemon, node, at, writable=serving.write_overlay)
        return OpenChain(f"file://{at}", at, daemon, place.guard)
    export_nbd(daemon, node, at, writable=serving.write_overlay)
    return OpenChain(nbd_uri(at), None, daemon, place.guard)


def _is_encrypted(emission: Emission) -> bool:
    return any(isinstance(item, SecretItem) and item.purpose == "encryption" for item in emission.items)


class _Place:
    """Where things appear in the file system; the guard knows of each, and all are gone afterwards."""

    def __init__(self, exits: ExitStack, guard: Guard) -> None:
        self._exits = exits
        self.guard = guard

    def directory(self, parent: str | None = None) -> str:
        """A directory nobody else can enter. Raises StorageError."""
        try:
            path = self._exits.enter_context(tempfile.TemporaryDirectory(prefix="diskchain-", dir=parent))
        except OSError as error:
            where = parent or tempfile.gettempdir()
            raise StorageError(f"no directory can be made there: {error.strerror}", path=where) from error
        self.guard.directory(path)
        return path

    def socket(self, wanted: str | None) -> str:
        """The path of a socket that QEMU will make. Raises UsageError."""
        path = os.path.abspath(wanted) if wanted is not None else os.path.join(self.directory(), "nbd")
        if len(os.fsencode(path)) > _SOCKET_PATH_MAX:
            raise UsageError(f"a socket's path has at most {_SOCKET_PATH_MAX} bytes: {printable(path)}")
        if os.path.lexists(path):
            raise UsageError(f"{printable(path)} is there already")
        self._exits.callback(_remove, path)
        self.guard.file(path)
        return path

    def file(self, wanted: str) -> str:
        """The file that FUSE will show the disk in. Raises UsageError, StorageError."""
        from diskchain.system.fuse_mount import mount_point

        path, ours = self._exits.enter_context(mount_point(wanted))
        if ours:
            self.guard.file(path)
        self.guard.mount(path)
        return path


def _remove(path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)


def _picked(
    name: TargetName,
    wanted: Sequence[str],
    settings: Settings,
    keys: Keys,
    key_places: KeyPlaces,
    tell: Callable[[Finding], None],
) -> Picked:
    """The one chain to open, known to its end. Raises UsageError, ImageError, PeerError."""
    target = _examined(name, settings, keys, key_places)
    picked = pick(target, wanted, settings.timeout)
    if len(picked.chains) != 1:
        if not picked.chains:
            unread = [found.message for found in target.said if found.id == "document"]
            raise UsageError(": ".join([f"{printable(name.name)} has no disk with a medium", *unread[:1]]))
        listed = ", ".join(printable(chain.names[0][0] if wanted else chain.disk) for chain in picked.chains)
        raise UsageError(f"choose one disk with -d; the disks are: {listed}")
    if target.view is not None and target.view.document.host is not None:
        host = printable(target.view.document.host)
        raise UsageError(f"the images are on {host}, and only those of this host can be opened")
    told = [
        each
        for each in picked.whole[0].findings
        if each.severity is not Severity.INFO and each.id != _LOOKED_AT_BY_QEMU
    ]
    for each in told:
        tell(each)
    _refuse_faults(picked, told, settings)
    return picked


def _refuse_faults(picked: Picked, told: Sequence[Finding], settings: Settings) -> None:
    if picked.whole[0].faulty:
        if verdict(told) is Verdict.COULD_NOT_TELL:
            raise PeerError("a layer could not be read, so nothing was opened")
        raise ImageError("the chain has faults, so nothing was opened")
    if any(each.id == "reference-refused" for each in told):
        # Also where the document ends the chain: QEMU follows data files and extents by itself.
        raise UsageError(f"policy {settings.policy.name} refuses what the images name, so nothing was opened")
    (chain,) = picked.chains
    *_, last = layers(chain.source)
    if not isinstance(chain_end(chain.source), Terminator) and last.format in BACKING_FORMATS:
        raise UsageError(
            f"what is below {printable(chain.names[-1][0])} is not known, so nothing was opened; "
            "a document can say it: <backingStore/>"
        )


def _examined(name: TargetName, settings: Settings, keys: Keys, key_places: KeyPlaces) -> Examined:
    """The target, looked at on servers too, where a document names one and leaves open what is below."""
    settings = settings._replace(rights=False)
    target = examine_one(name, settings)
    if not any(_ends_open_on_a_server(disk.target.source) for disk in target.disks):
        return target
    from diskchain.actions.remote import RemoteReader
    from diskchain.qemu.bridge import Bridge
    from diskchain.readers.remote import TIMEOUT

    with Bridge(tls_directory=key_places.tls_directory) as bridge:
        return examine_one(name, settings._replace(reader=RemoteReader(keys, bridge, TIMEOUT)))


def _ends_open_on_a_server(top: Source) -> bool:
    *_, last = layers(top)
    remote = isinstance(last.location, NetworkLocation)
    unknown = last.format is None or last.format in BACKING_FORMATS
    return remote and unknown and not isinstance(last.backing, Terminator)
