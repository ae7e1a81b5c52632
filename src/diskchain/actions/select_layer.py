"""Which disks and layers of a target somebody means: the one rule of every verb, over :mod:`diskchain.storage.lookup`."""

from typing import TYPE_CHECKING

from diskchain.errors import LayerNotFound, StorageError
from diskchain.storage.lookup import Place, find_layers
from diskchain.storage.source import Source
from diskchain.system.deadline import DEFAULT_DEADLINE, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from diskchain.actions.examined import DiskChain, Examined
    from diskchain.findings import Finding


def places(
    disks: "Sequence[tuple[str, Source]]", wanted: "Sequence[str]", seconds: float = DEFAULT_DEADLINE
) -> list[Place]:
    """The layers that ``wanted`` names among ``disks`` (names and tops), each once, in the order of the disks; all disks for none.

    Raises LayerNotFound, a usage error, for the first name that fits nothing or too much.
    """
    if not wanted:
        return [Place(number, 0) for number in range(len(disks))]
    same = same_file(seconds)
    found = {place for name in wanted for place in find_layers(disks, name, same)}
    return sorted(found)


def same_file(seconds: float = DEFAULT_DEADLINE) -> "Callable[[str, str], bool]":
    """Whether two paths are one file, by device and inode. What does not answer within so many ``seconds`` is no file at all."""
    import os

    known: dict[str, tuple[int, int] | None] = {}

    def identity(path: str) -> tuple[int, int] | None:
        if path not in known:
            try:
                found = within(seconds, path, lambda: os.stat(path))
                known[path] = found.st_dev, found.st_ino
            except (OSError, ValueError, StorageError):
                known[path] = None
        return known[path]

    def same(one: str, other: str) -> bool:
        return identity(one) is not None and identity(one) == identity(other)

    return same


def selected(target: "Examined", wanted: "Sequence[str]", seconds: float = DEFAULT_DEADLINE) -> "Examined":
    """``target`` with the disks that ``wanted`` names, each from the layer down that is named, and what is said of those.

    A disk that nobody could read counts, too. Raises LayerNotFound.
    """
    if not wanted:
        return target
    unread = {found.disk for found in target.said} - {disk.name for disk in target.disks}
    named_unread = [name for name in wanted if name in unread]
    rest = [name for name in wanted if name not in unread]
    found = places([(disk.name, disk.whole.source) for disk in target.disks], rest, seconds) if rest else []
    disks = [_from(target.disks[place.disk], place.position) for place in found]
    return target.with_parts(tuple(disks), tuple(_said_of(disks, named_unread, target.said)))


def _said_of(disks: "Sequence[DiskChain]", unread: "Sequence[str]", said: "Iterable[Finding]") -> "Iterator[Finding]":
    """What is said of ``disks``, each from the layer down that was asked for, or of none. A file may be a layer of several disks."""
    from diskchain.findings import about

    named = {*(disk.name for disk in disks), *unread, None}
    above = {name.shown for disk in disks for name in disk.names[: disk.first]}
    for found in said:
        owner = next((disk for disk in disks if found.layer is not None and found.file in {*disk.files}), None)
        if owner is not None:
            yield about(found, owner.name, owner.layer_with(found.file))
        elif found.disk in named and found.layer not in above:
            yield found


def select_each(
    targets: "Iterable[Examined]", wanted: "Sequence[str]", seconds: float = DEFAULT_DEADLINE
) -> "Iterator[Examined]":
    """The part of each target that is wanted. Raises LayerNotFound at the end when none had any."""
    without: LayerNotFound | None = None
    picked = not wanted
    for target in targets:
        try:
            part = (
                target if not wanted or target.error is not None or target.walked else selected(target, wanted, seconds)
            )
            picked = picked or target.walked is None
        except LayerNotFound as error:  # it has no such disk; another target may
            # what could not be read at all may have it
            without, part = error, target.with_parts((), target.said if target.view is None else ())
        yield part
    if without is not None and not picked:
        raise without


def _from(disk: "DiskChain", position: int) -> "DiskChain":
    return disk._replace(first=position) if position else disk


def position_of(disk: str, chain: Source, wanted: str, seconds: float = DEFAULT_DEADLINE) -> int:
    """Where in ``chain`` of ``disk`` the layer called ``wanted`` is, 0 for the top. Raises LayerNotFound."""
    found = find_layers([(disk, chain)], wanted, same_file(seconds))
    if len(found) != 1:
        raise LayerNotFound(f"{wanted} is the name of several layers", name=wanted)
    return found[0].position
