"""The verbs as a program calls them: ``import diskchain``. The same pipeline as the command line, so the same answers.

A target is a path, a document as text, a Source, a Disk, or with ``connect`` a domain's name. A document as text is ``bytes``, or a
``str`` that begins with ``<`` and is UTF-8. Nothing is printed; what is wrong with a chain is a finding, never an exception.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

from diskchain.access.judge import FileAccess
from diskchain.actions import complete as completing
from diskchain.actions import diff as differing
from diskchain.actions import edit as editing
from diskchain.actions import open as opening
from diskchain.actions.access import Question, Who, ask
from diskchain.actions.blockdev_list import NodeList, list_nodes
from diskchain.actions.chains import examine_document, examine_one, examine_targets
from diskchain.actions.deep_check import deepened
from diskchain.actions.document import disk_targets
from diskchain.actions.examined import DEFAULT, DiskChain, Examined, Settings
from diskchain.actions.keys import KeyPlaces
from diskchain.actions.map import chain_map
from diskchain.actions.operation import Wanted
from diskchain.actions.read_document import TargetDocument
from diskchain.actions.select_layer import select_each, selected
from diskchain.actions.target import Target, TargetName
from diskchain.actions.together import examine_all
from diskchain.discover import BackingChain
from diskchain.errors import LayerNotFound, UsageError, printable
from diskchain.findings import Finding, Verdict, verdict
from diskchain.guest.disk import Disk
from diskchain.qemu.policy import LIBVIRT_11, profile_named
from diskchain.readers.places import Places
from diskchain.readers.policy import LIBVIRT, OpenPolicy
from diskchain.storage.auth import SecretReference
from diskchain.storage.location import describe_location
from diskchain.storage.source import Source
from diskchain.storage.terms import Format
from diskchain.system.deadline import DEFAULT_DEADLINE

if TYPE_CHECKING:
    from diskchain.allocation.layer_map import LayerMap

AnyTarget = str | bytes | os.PathLike[str] | Source | Disk

_TEXT: Final = "document"


class How(TypedDict, total=False):
    """How targets are looked at; what every function here takes by name.

    ``connect``: a target is the name or UUID of a domain of this libvirt connection. ``format``: it is an image of this format; default:
    look. ``disk``, ``disks``: only these disks, or the layers of these names and what is below them. ``policy``: what a header may make
    us open. ``timeout``: seconds for each answer of storage. ``one_file_system``: of a directory, what is mounted below it is left out.
    ``map``, ``root``: where the paths of another host lie here, as pairs of a path there and one here, and the directory that is its ``/``.
    """

    connect: str | None
    format: Format | None
    disk: str | None
    disks: Sequence[str]
    policy: OpenPolicy
    timeout: float
    one_file_system: bool
    map: Sequence[tuple[str, str]]
    root: str | None


@dataclass(frozen=True, slots=True)
class _Look:
    connect: str | None
    format: Format | None
    disks: tuple[str, ...]
    settings: Settings


def _look(how: How) -> _Look:
    disk = how.get("disk")
    settings = DEFAULT._replace(
        policy=how.get("policy", LIBVIRT),
        timeout=how.get("timeout", DEFAULT_DEADLINE),
        one_file_system=how.get("one_file_system", False),
        places=_places(how),
    )
    disks = (*(() if disk is None else (disk,)), *how.get("disks", ()))
    return _Look(how.get("connect"), how.get("format"), disks, settings)


def _places(how: How) -> Places | None:
    maps, root = tuple(how.get("map", ())), how.get("root")
    return Places(maps, root) if maps or root is not None else None


@dataclass(frozen=True, slots=True)
class Report:
    """What :func:`check` found, target by target."""

    targets: tuple[Examined, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything wrong, each finding with its disk and layer."""
        return tuple(found for target in self.targets for found in target.findings)

    @property
    def disks(self) -> tuple[DiskChain, ...]:
        """Every disk with a medium: its name, its chain, the names of its layers."""
        return tuple(disk for target in self.targets for disk in target.disks)

    @property
    def chains(self) -> tuple[BackingChain, ...]:
        """The chain of every disk, from the layer that was asked for."""
        return tuple(disk.chain for disk in self.disks)

    @property
    def verdict(self) -> Verdict:
        """``clean``, ``findings``, or ``could not tell``; notes count for nothing."""
        return verdict(self.findings)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use each file of a target. ``question``: as whom, and where that came from."""

    question: Question
    files: dict[str, tuple[FileAccess, ...]]


def check(*targets: AnyTarget | Sequence[AnyTarget], deep: bool = False, **how: Unpack[How]) -> Report:
    """Everything that is wrong with the targets, those that are named seen together; of a directory, with every image and document below it.

    ``deep``: the tables of every layer are read and compared with each other, which needs numpy. Raises what keeps us from reading one: StorageError, UsageError, XmlError, PeerError. What is found in a directory raises nothing.

    >>> check("<domain><devices/></domain>").verdict
    <Verdict.CLEAN: 'clean'>
    """
    look = _look(how)
    listed = [each for target in targets for each in (target if isinstance(target, list | tuple) else (target,))]
    names = [_named(each, look) for each in listed]
    looked: dict[str, list[Examined]] = {}
    for found in examine_all(dict.fromkeys(name for name in names if name is not None), look.settings):
        looked.setdefault(found.found_in or found.name, []).append(found)
    every: list[Examined] = []
    for target, name in zip(listed, names, strict=True):
        every += [_examined(target, look)] if name is None else looked[name.name]
    for found in every:
        if found.error is not None:
            raise found.error
    chosen = select_each(every, look.disks, look.settings.timeout)
    return Report(tuple(deepened(chosen, look.settings) if deep else chosen))


def discover(target: AnyTarget, **how: Unpack[How]) -> BackingChain:
    """The one chain of a target, examined: its layers, and what is wrong with each. As :func:`check`, and LayerNotFound for several disks."""
    look = _look(how)
    disks = selected(_examined(target, look), look.disks, look.settings.timeout).disks
    if len(disks) != 1:
        known = ", ".join(printable(disk.name) for disk in disks) or "none with a medium"
        raise LayerNotFound(f"name one with disk=…; the disks are: {known}", name=None)
    return disks[0].chain


def diff(target: AnyTarget, **how: Unpack[How]) -> differing.Difference:
    """What a document declares, what the headers say and what the domain runs with, disk by disk. Raises UsageError for an image."""
    look = _look(how)
    name = _named(target, look)
    if name is None:
        document = _document(target)
        if document is None:
            raise UsageError("diff compares a document with images: give a document, or a domain with connect")
        return differing.compared(examine_document(document, look.settings), look.disks, look.settings)
    return differing.diff(name, look.disks, look.settings)


def complete(document: str | bytes, **how: Unpack[How]) -> completing.Completed:
    """The same text with every ``<backingStore>`` filled in; ``strip(text)`` of it is what it was. Raises XmlError, LayerNotFound."""
    look = _look(how)
    return completing.complete(_of_text(document), look.disks, look.settings)


def strip(document: str | bytes, **how: Unpack[How]) -> completing.Completed:
    """The same text without what :func:`complete` filled in."""
    look = _look(how)
    return completing.stripped(_of_text(document), look.disks)


def edit(
    document: str | bytes,
    layer: str,
    *,
    path: str | None = None,
    format: Format | None = None,
    secret: SecretReference | None = None,
) -> bytes:
    """A document with another path, format or secret for one layer: ``vda``, ``vda[2]``, a path. Every other byte stays.

    >>> edit("<disk><source file='/old'/><target dev='vda'/></disk>", "vda", path="/new")
    b"<disk><source file='/new'/><target dev='vda'/></disk>"

    Raises LayerNotFound, UsageError for what the layer does not say, XmlError.
    """
    text = _bytes(document)
    if secret is not None:
        text = editing.set_secret(text, layer, secret)
    if path is not None or format is not None:
        text = editing.set_layer(text, layer, path=path, format=format)
    return text


def blockdev(
    target: AnyTarget, *, profile: str = LIBVIRT_11.name, declared: bool = False, **how: Unpack[How]
) -> NodeList:
    """The block nodes QEMU gets for a target: of each disk ``items`` as values and ``arguments()`` as words of a command line.

    ``profile``: whose nodes (``libvirt-11``, ``libvirt-9``, ``qsd`` …). ``declared``: only what a document says, no file is opened. A
    secret is a placeholder. Raises UsageError for what QEMU cannot be told.
    """
    look = _look(how)
    settings = look.settings._replace(declared=declared, rights=False, as_opened=True)
    return list_nodes(
        _examined(target, look, settings), profile_named(profile), look.disks, seconds=look.settings.timeout
    )


def access(
    name: str | os.PathLike[str], who: str | None = None, *, operation: str = "start", **how: Unpack[How]
) -> Access:
    """Whether ``who`` (``USER[:GROUP]``; None: the user libvirt runs the domain's QEMU as) may use each file for an ``operation``.

    Raises UsageError where nobody can tell whose access it is.
    """
    look = _look(how)
    target = TargetName(os.fspath(name), look.connect, look.format, look.settings.timeout)
    question = ask(target, Wanted(operation), look.disks, Who(who), look.settings)
    return Access(question, {subject.name: question.answer(subject) for subject in question.subjects})


def layer_map(target: AnyTarget | BackingChain, **how: Unpack[How]) -> "LayerMap":
    """Which layer holds which bytes of a chain that was discovered, or of the one chain of a target. Nothing is read yet.

    Iterating gives windows of extents; ``.totals()``, ``.at(offset)``, ``.runs()``, ``.arrow()`` answer questions. Raises what
    :func:`discover` raises, and MissingExtra without numpy.
    """
    chain = target if isinstance(target, BackingChain) else discover(target, **how)
    return chain_map(chain, _look(how).settings)


@contextmanager
def open_chain(
    name: str | os.PathLike[str],
    *,
    keys: KeyPlaces | None = None,
    serving: opening.Serving | None = None,
    **how: Unpack[How],
) -> Iterator[opening.OpenChain]:
    """Serve one chain with its keys in a qemu-storage-daemon; within, ``opened.uri`` is what reads it. The images stay untouched.

    Raises UsageError, StorageError, ImageError for a chain with faults, SecretError, PeerError. Needs the extra ``open``.
    """
    look = _look(how)
    target = TargetName(os.fspath(name), look.connect, look.format, look.settings.timeout)
    places = keys or KeyPlaces(libvirt=look.connect)
    with opening.open_chain(
        target,
        look.disks,
        settings=look.settings._replace(as_opened=True),
        keys=places,
        serving=serving or opening.Serving(),
    ) as opened:
        yield opened


def _examined(target: AnyTarget, look: _Look, settings: Settings | None = None) -> Examined:
    settings = settings or look.settings
    name = _named(target, look)
    if name is not None:
        return examine_one(name, settings)
    document = _document(target)
    if document is not None:
        return examine_document(document, settings)
    targets = _targets(target, look)
    return examine_targets(targets[0].name if targets else "disk", targets, settings)


def _named(target: AnyTarget, look: _Look) -> TargetName | None:
    """A target by its name; None for one that is a value."""
    if isinstance(target, os.PathLike) or (isinstance(target, str) and target.lstrip()[:1] != "<"):
        return TargetName(os.fspath(target), look.connect, look.format, look.settings.timeout)
    return None


def _document(target: AnyTarget) -> TargetDocument | None:
    return _of_text(target) if isinstance(target, str | bytes) else None


def _of_text(document: str | bytes) -> TargetDocument:
    return TargetDocument(_bytes(document), _TEXT)


def _bytes(document: str | bytes) -> bytes:
    return document.encode() if isinstance(document, str) else document


def _targets(target: AnyTarget, look: _Look) -> Sequence[Target]:
    if isinstance(target, Disk):
        return disk_targets([target])
    if isinstance(target, Source):
        source = target if target.format is not None or look.format is None else target._replace(format=look.format)
        return [Target(describe_location(source.location), source, probe=source.format is None)]
    kinds: Iterable[str] = ("a path", "a document", "a Source", "a Disk")
    raise UsageError(f"{target!r} is no target: {', '.join(kinds)}")
