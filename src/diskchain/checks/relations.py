"""What the disks of several guests do to each other's files: who writes a file, who only reads it, which overlays rely on it.

One chain cannot show this; all attached disks together can. Pure. Source: QEMU's image locks (``block/file-posix.c``) and what a
device asks of its image (``hw/block/block.c``, ``blkconf_apply_backend_options``, 7.2 to 10.1): a device that only reads does not put up
with a writer unless it is shareable (``share-rw``), and two devices that write do not put up with each other unless both are.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from stat import S_IWGRP
from typing import Final

from diskchain.discover.chain import BackingChain, Layer
from diskchain.errors import printable
from diskchain.findings import Finding, Severity, Stops, finding
from diskchain.readers.file_facts import ImageFacts
from diskchain.storage.location import describe_location

FileIdentity = tuple[int, int]


class Attached:
    """One disk of a guest. ``name`` is for people; ``guest`` says which guest it is, None: one of its own.

    A guest that is described twice (running and defined, or in two documents) is one guest, and so is its disk ``target``.
    """

    __slots__ = ("chain", "guest", "name", "target")

    def __init__(self, name: str, chain: BackingChain, guest: str | None = None, target: str | None = None) -> None:
        self.name = name
        self.chain = chain
        self.guest = guest
        self.target = target


@dataclass(frozen=True, slots=True)
class User:
    """A disk that has the file on top. ``shareable``: it puts up with others that write."""

    name: str
    guest: str
    target: str
    shareable: bool


@dataclass(frozen=True, slots=True)
class Use:
    """Who uses one file. ``writers`` and ``readers``: the disks that have it on top; ``overlays``: how many images rely on it.

    ``relying``: the disks (guest and target) that these overlays are of.
    """

    writers: tuple[User, ...] = ()
    readers: tuple[User, ...] = ()
    overlays: int = 0
    relying: frozenset[tuple[str, str]] = frozenset()

    @property
    def writer(self) -> str | None:
        """A disk whose guest writes to it while another relies on it. One disk at two times, before a snapshot and after, is none."""
        return next((each.name for each in self.writers if self.relying - {(each.guest, each.target)}), None)

    @property
    def clash(self) -> tuple[User, User] | None:
        """A disk that writes, and another that does not put up with it; None where there are none. Two of one guest come first."""
        pairs = [
            (one, other)
            for number, one in enumerate(self.writers)
            for other in (*self.writers[number + 1 :], *self.readers)
            if _clash(one, other, writes=other in self.writers)
        ]
        return min(pairs, key=lambda pair: pair[0].guest != pair[1].guest, default=None)


UNUSED: Final = Use()


def _clash(writer: User, other: User, *, writes: bool) -> bool:
    if (writer.guest, writer.target) == (other.guest, other.target):
        return False
    return not other.shareable or (writes and not writer.shareable)


class Relations:
    """Who uses which file, gathered disk by disk. Keeps identities and names, no chain: there may be many more disks than fit in memory."""

    __slots__ = ("_open_to_group", "_overlays", "_readers", "_relying", "_writers")

    def __init__(self) -> None:
        self._writers: dict[FileIdentity, dict[tuple[str, str], User]] = {}
        self._readers: dict[FileIdentity, dict[tuple[str, str], User]] = {}
        self._overlays: dict[FileIdentity, set[FileIdentity | None]] = {}
        self._relying: dict[FileIdentity, set[tuple[str, str]]] = {}
        self._open_to_group: set[FileIdentity] = set()

    def add(self, disk: Attached) -> None:
        """Take in one disk. A chain that starts at an image somebody merely named says nothing about who writes to it: leave it out."""
        above: ImageFacts | None = None
        for position, layer in enumerate(disk.chain.layers):
            for file in layer.files:
                self._note(disk, layer, file.facts, above if position else None, top=not position)
            above = layer.facts

    def uses(self) -> dict[FileIdentity, Use]:
        """The files that one of the disks writes while another, or an overlay, relies on them; and bases that a group may write."""
        found = {identity: self._use(identity) for identity in {*self._overlays, *self._writers}}
        return {
            identity: use
            for identity, use in found.items()
            if _matters(use, open_to_group=identity in self._open_to_group)
        }

    def _use(self, identity: FileIdentity) -> Use:
        return Use(
            tuple(self._writers.get(identity, {}).values()),
            tuple(self._readers.get(identity, {}).values()),
            len(self._overlays.get(identity, ())),
            frozenset(self._relying.get(identity, ())),
        )

    def _note(
        self, disk: Attached, layer: Layer, facts: ImageFacts | None, above: ImageFacts | None, *, top: bool
    ) -> None:
        if facts is None or facts.identity is None or facts.mode is None:
            return
        if facts.mode & S_IWGRP:
            self._open_to_group.add(facts.identity)
        guest, target = disk.guest or disk.name, disk.target or disk.name
        if not top:
            self._relying.setdefault(facts.identity, set()).add((guest, target))
            self._overlays.setdefault(facts.identity, set()).add(above.identity if above is not None else None)
            return
        user = User(disk.name, guest, target, layer.source.shared)
        users = self._readers if layer.source.readonly else self._writers
        users.setdefault(facts.identity, {}).setdefault((user.guest, user.target), user)


def uses(disks: Iterable[Attached | tuple[str, BackingChain]]) -> dict[FileIdentity, Use]:
    """What :class:`Relations` makes of ``disks``, which are those attached to domains, as such or as names and chains."""
    relations = Relations()
    for each in disks:
        relations.add(each if isinstance(each, Attached) else Attached(*each))
    return relations.uses()


def _matters(use: Use, *, open_to_group: bool) -> bool:
    if use.overlays:
        return use.writer is not None or use.clash is not None or (use.overlays > 1 and open_to_group)
    return use.clash is not None


def clashes(layer: Layer, used: Mapping[FileIdentity, Use]) -> Iterator[Finding]:
    """That the top layer, its data file or an extent is used by two disks that do not put up with each other."""
    for part in layer.files:
        identity = part.facts.identity if part.facts is not None else None
        clash = used.get(identity, UNUSED).clash if identity is not None else None
        if clash is not None:
            yield _used_twice(describe_location(part.source.location), *clash, used[identity or (0, 0)])


def _used_twice(path: str, writer: User, other: User, use: Use) -> Finding:
    both_write = other in use.writers
    same_guest = writer.guest == other.guest
    does = "by" if both_write else "read by"
    message = f"{printable(path)} is written by {printable(writer.name)} and {does} {printable(other.name)}"
    if same_guest:
        message += ": QEMU refuses to open it twice, so the domain does not start"
    else:
        message += (
            ": while one of them runs, QEMU refuses to start the other, where locks work; elsewhere both would start"
        )
        message += ", and damage the data" if both_write else ", and the reader would see data change under it"
    severity = Severity.ERROR if both_write or same_guest else Severity.WARNING
    found = finding("image-used-twice", message, severity=severity, file=path, referrer=other.name)
    return found._replace(stops=Stops.START if same_guest else None)
