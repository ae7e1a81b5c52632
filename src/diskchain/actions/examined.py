"""What is looked at and how, and what comes of it: the values that the pipeline of ``actions.chains`` takes and gives."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from diskchain.actions.target import Target
from diskchain.discover.chain import BackingChain, Layer
from diskchain.errors import DiskchainError
from diskchain.findings import Finding, about
from diskchain.readers.places import Places
from diskchain.readers.policy import LIBVIRT, OpenPolicy
from diskchain.storage.location import local_path
from diskchain.storage.lookup import LayerName, layer_names, shown_name
from diskchain.storage.source import Source, files, layers
from diskchain.system.deadline import DEFAULT_DEADLINE
from diskchain.versions import Versions

if TYPE_CHECKING:
    from diskchain.actions.document_view import DocumentView
    from diskchain.actions.walked import Walked
    from diskchain.discover.partial_layer import OpenElsewhere

#: Layers of a chain above which reads get slow enough to say so.
DEPTH_WARNING: Final = 30


class LayerOpener(Protocol):
    """What opens layers on other hosts: :class:`diskchain.actions.remote.RemoteReader`."""

    def of(self, chosen: Sequence[Target]) -> "OpenElsewhere":
        """What opens the layers of these targets, and of whatever they lead to."""


class Settings(NamedTuple):
    """How chains are looked at, alike for all targets of a run.

    ``policy``: what a header may make us open. ``timeout``: seconds for each answer of storage. ``profile``: whose rules a document
    must keep, ``qemu`` or ``generic``. ``versions``: of the libvirt and QEMU that what is said of them is to hold for, unless a connection
    tells; None: it is said of all. ``depth_warning``: layers a chain may have without a warning. ``reader`` opens layers on other
    hosts; None: they are not looked at. ``persistent``: of a domain, its persistent definition instead of what it has now.
    ``rights``: of a domain, what is wrong with the rights on its files is found, too. ``declared``: only what a document says, no file
    of a disk is opened. ``search``: directories in which missing files are looked for. ``one_file_system``: of a directory, what is mounted
    below it is left out. ``places``: where another host's paths lie here. ``as_opened``: layers are called as they are opened here, for what is
    done with them here. ``evidence``: no command that writes is suggested.
    """

    policy: OpenPolicy = LIBVIRT
    timeout: float = DEFAULT_DEADLINE
    profile: str = "qemu"
    versions: Versions | None = None
    depth_warning: int = DEPTH_WARNING
    reader: LayerOpener | None = None
    persistent: bool = False
    rights: bool = True
    declared: bool = False
    search: tuple[str, ...] = ()
    one_file_system: bool = False
    places: Places | None = None
    as_opened: bool = False
    evidence: bool = False


DEFAULT: Final = Settings()


class DiskChain(NamedTuple):
    """One disk of a target and its chain.

    ``first``: the position of the layer that was asked for, and what is below it. ``headers``: the chain as the headers alone have it,
    where the document says more than the top image; None: it is the same. ``places``: where another host's paths lie here.
    """

    target: Target
    whole: BackingChain
    first: int = 0
    headers: BackingChain | None = None
    places: Places | None = None

    def opened(self, source: Source) -> str | None:
        """The file of this host that is opened for ``source``, where that is not what its path says."""
        path = local_path(source.location) if self.places is not None else None
        if self.places is None or path is None:
            return None
        here = self.places.here(path)
        return here if here != path else None

    @property
    def name(self) -> str:
        """What the disk is called: ``vda``; of an image, the name the user gave."""
        return self.target.name

    @property
    def title(self) -> str:
        """What was asked for: the disk, or one of its layers."""
        return self.names[self.first].shown if self.first else self.name

    @property
    def names(self) -> list[LayerName]:
        """What each layer of the whole chain is called."""
        return layer_names(self.name, self.whole.source)

    @property
    def chain(self) -> BackingChain:
        """The chain from the layer that was asked for."""
        if not self.first:
            return self.whole
        return BackingChain(self.whole[self.first])

    @property
    def files(self) -> Iterator[str]:
        """The paths on this host of all layers, data files and extents that were asked for."""
        for layer in layers(self.chain.source):
            for file in files(layer):
                path = local_path(file.location)
                if path is not None:
                    yield path

    def layer_with(self, path: str | None) -> str | None:
        """What the layer is called that has this file, for itself, its data or an extent; None where none of the chain has."""
        if path is None:
            return None
        for position, layer in enumerate(layers(self.whole.source)):
            if any(local_path(file.location) == path for file in files(layer)):
                return shown_name(self.name, self.whole.source, position)
        return None

    def findings(self) -> Iterator[Finding]:
        """Everything said of the chain from that layer down, each finding with its disk and layer."""
        called, attached = self.name, self.target.attached
        disk = called if attached else None
        position = -1
        layer: Layer | None = self.whole.top
        while layer is not None:
            position += 1
            _, below, _, _, _, findings, data_file, extents = layer
            if position >= self.first and (findings or data_file is not None or extents):
                # no document gave the layers of an image indexes
                name = shown_name(called, self.whole.source, position) if attached else f"{called}[{position}]"
                for file in layer.files if data_file is not None or extents else (layer,):
                    for found in file.findings:
                        yield about(found, disk, name)
            layer = below


class Examined:
    """One target, looked at. Immutable.

    ``disks``: those with a medium. ``said``: of its document as a whole, and of disks nobody can read. ``view``: what the document says.
    ``error``: why there is no more. ``versions``: of the peers it is about, if they are known. ``found_in``: the directory it was found
    in, nobody named it. ``walked``: it is a directory, and what is below it. No NamedTuple: start-up has no time for the types of documents.
    """

    __slots__ = ("disks", "error", "found_in", "name", "said", "versions", "view", "walked")

    def __init__(  # noqa: PLR0913  # one for each slot
        self,
        name: str,
        disks: tuple[DiskChain, ...] = (),
        said: tuple[Finding, ...] = (),
        view: "DocumentView | None" = None,
        error: DiskchainError | None = None,
        versions: Versions | None = None,
        *,
        found_in: str | None = None,
        walked: "Walked | None" = None,
    ) -> None:
        self.name = name
        self.disks = disks
        self.said = said
        self.view = view
        self.error = error
        self.versions = versions
        self.found_in = found_in
        self.walked = walked

    def with_parts(self, disks: tuple[DiskChain, ...], said: tuple[Finding, ...]) -> "Examined":
        """The same target with other disks and other findings about the whole."""
        return Examined(
            self.name,
            disks,
            said,
            self.view,
            self.error,
            self.versions,
            found_in=self.found_in,
            walked=self.walked,
        )

    @property
    def findings(self) -> Iterator[Finding]:
        """Everything there is to say: of the document first, then of each chain from its top."""
        yield from self.said
        for disk in self.disks:
            yield from disk.findings()
