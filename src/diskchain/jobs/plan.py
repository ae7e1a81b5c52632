"""What a job would do, as values: the chain as it is, what is made, copied, compared, re-pointed, written and deleted. Pure.

A plan says everything ``run`` needs, so that it can be carried on from the journal by another process. Layers are told by their place in
``Plan.layers``: first the chain as it is, top first, then what the job makes.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from diskchain.errors import ParseError
from diskchain.storage.auth import SecretReference
from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.location import BlockLocation, FileLocation, Location
from diskchain.storage.reference import parse_reference
from diskchain.storage.source import TERMINATOR, Source, stack
from diskchain.storage.terms import Format

#: Of the form in which plans are kept.
VERSION: Final = 1

Verb = Literal["snapshot", "commit", "pull", "copy", "rebase", "relocate"]


@dataclass(frozen=True, slots=True)
class PlannedLayer:
    """One layer.

    ``path``: its file or device on this host; None: ``network`` says where it is, as a ``json:`` reference. ``capacity`` in bytes.
    ``reference``, ``reference_format``: what its header says is below, as stored. ``changed``: the job writes to it. ``encrypted``: with
    ``luks``; ``names``: what its key may be called, the first for people; ``secret_uuid``, ``secret_usage``: of a libvirt secret.
    """

    name: str
    format: Format
    capacity: int
    path: str | None = None
    block: bool = False
    network: str | None = None
    data_file: str | None = None
    encrypted: str | None = None
    reference: str | None = None
    reference_format: str | None = None
    changed: bool = False
    names: tuple[str, ...] = ()
    secret_uuid: str | None = None
    secret_usage: str | None = None

    @property
    def secret(self) -> SecretReference | None:
        """The libvirt secret that a document names for it."""
        if self.secret_uuid is None and self.secret_usage is None:
            return None
        return SecretReference("passphrase", uuid=self.secret_uuid, usage=self.secret_usage)

    @property
    def location(self) -> Location:
        """Where it is."""
        if self.network is not None:
            return parse_reference(self.network, "qemu").location
        return BlockLocation(self.path) if self.block else FileLocation(self.path)


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as it was when the job was planned.

    ``birth`` and ``modified`` in nanoseconds since the epoch; ``head``: SHA-256 of its first cluster, in hexadecimal digits.
    """

    path: str
    device: int
    inode: int
    birth: int | None
    size: int
    modified: int
    head: str


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that the job makes. ``backing``: the string it will hold; ``like``: whose owner, group and mode it gets.

    ``temporary``: it is made anew each time data are copied, and goes at the end.
    """

    layer: int
    path: str
    format: Format
    capacity: int
    like: str
    backing: str | None = None
    backing_format: str | None = None
    options: tuple[str, ...] = ()
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """What an engine copies. Places in ``Plan.layers``.

    ``commit``: what ``top`` and the layers down to ``base``, which gets it, hold. ``stream``: what is between ``top``, which gets it, and
    ``base`` (None: all that is below). ``mirror``: ``top`` into ``target``; ``shallow``: without what is below it. ``difference``: what
    ``top`` reads as and ``base`` does not, by way of the temporary image ``target``, into ``top``.
    """

    kind: Literal["commit", "stream", "mirror", "difference"]
    top: int
    base: int | None = None
    target: int | None = None
    shallow: bool = False


@dataclass(frozen=True, slots=True)
class Proof:
    """Two chains that must read the same, as places in ``Plan.layers``, top first. ``empty``: the first of ``new`` holds nothing itself."""

    old: tuple[int, ...]
    new: tuple[int, ...]
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Repoint:
    """A pointer. ``old``, ``new``: the string in the header of ``layer``, and its format; ``new`` None: nothing is below any more."""

    layer: int
    path: str
    old: str | None
    old_format: str | None
    new: str | None
    new_format: str | None


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """A document: ``origin`` is its file, or the domain's name with ``uri``. ``old``, ``new``: all of it."""

    origin: str
    old: bytes
    new: bytes
    uri: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A job before it is one.

    ``old``, ``new``: the chain of the disk before and after, as places in ``layers``, top first. ``delete``: paths that go at the end.
    ``copies``, ``room``: upper bounds in bytes of what is moved, and of the room that takes. ``verify``: the proof is wanted.
    ``bandwidth`` in bytes a second, 0: as fast as it goes.
    """

    verb: Verb
    target: str
    disk: str | None
    layers: tuple[PlannedLayer, ...]
    files: tuple[SeenFile, ...]
    old: tuple[int, ...]
    new: tuple[int, ...]
    creates: NewFile | None = None
    work: Work | None = None
    proof: Proof | None = None
    repoints: tuple[Repoint, ...] = ()
    document: DocumentChange | None = None
    delete: tuple[str, ...] = ()
    copies: int = 0
    room: int = 0
    verify: bool = True
    bandwidth: int = 0
    version: int = field(default=VERSION)

    @property
    def nothing_to_do(self) -> bool:
        """Whether all is as it shall be."""
        return self.creates is None and self.work is None and not self.repoints and self.document is None

    @property
    def written(self) -> tuple[str, ...]:
        """The paths on this host of all that the job writes to and has not made itself."""
        files = [layer.data_file for layer in self.layers if layer.changed and layer.data_file is not None]
        return (*(layer.path for layer in self.layers if layer.changed and layer.path is not None), *files)


def source_of(plan: Plan, chain: tuple[int, ...], *, writable: frozenset[int] = frozenset()) -> Source:
    """The layers at these places as one chain, top first, that ends there; each read-only unless ``writable``."""
    return stack([_layer_source(plan.layers[place], writable=place in writable) for place in chain], TERMINATOR)


def _layer_source(layer: PlannedLayer, *, writable: bool) -> Source:
    data_file = None if layer.data_file is None else Source(FileLocation(layer.data_file), Format.RAW)
    encryption = None
    if layer.encrypted is not None:
        secrets = () if layer.secret is None else (layer.secret,)
        encryption = Encryption(EncryptionFormat(layer.encrypted), secrets=secrets)
    return Source(layer.location, layer.format, data_file=data_file, encryption=encryption, readonly=not writable)


def plan_text(plan: Plan) -> str:
    """The plan as ASCII text for the journal."""
    return json.dumps(msgspec.to_builtins(plan), ensure_ascii=True)


def plan_of(text: str) -> Plan:
    """The reverse of :func:`plan_text`. Raises ParseError for what no version of ours wrote."""
    try:
        built: Any = json.loads(text)
        return msgspec.convert(built, Plan)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise ParseError(f"not a plan of a job: {error}") from error
