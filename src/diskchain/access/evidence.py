"""Gathers what there is to know about one file's rights: the walk to it, its labels, its image locks.

Looks and changes nothing. Knows which module looks at what; judging is ``judge``'s.
"""

from dataclasses import dataclass

from diskchain.access.image_locks import ImageLocks, LockHolders, image_locks
from diskchain.access.kernel.path_facts import End, Kind, PathFacts
from diskchain.access.kernel.path_walk import walk_path
from diskchain.access.security.saved_labels import SavedLabel, saved_labels
from diskchain.access.security.selinux import file_label
from diskchain.errors import StorageTimeout
from diskchain.system.deadline import DEFAULT_DEADLINE, within
from diskchain.system.mounts import Mount, read_mounts

_LOCKABLE = (Kind.FILE, Kind.BLOCK)

_NO_LOCKS = ImageLocks()


@dataclass(frozen=True, slots=True)
class Present:
    """One file as it is. ``locks`` is None when we could not ask."""

    facts: PathFacts
    selinux: str | None = None
    saved_labels: tuple[SavedLabel, ...] = ()
    locks: ImageLocks | None = _NO_LOCKS


def examine(
    path: str,
    *,
    ignore: frozenset[int] = frozenset(),
    mounts: dict[int, Mount] | None = None,
    known: LockHolders | None = None,
) -> Present:
    """What is at ``path`` now. ``ignore``: processes whose image locks do not count. Never raises for what it finds.

    ``mounts`` and ``known`` save looking up again what holds for several files.
    """
    facts = walk_path(path, mounts)
    if facts.file is None:
        return Present(facts)
    real = facts.file.path
    locks = image_locks(real, ignore=ignore, known=known) if facts.file.kind in _LOCKABLE else ImageLocks()
    return Present(facts, file_label(real), saved_labels(real), locks)


def examine_all(
    paths: list[str], *, ignore: frozenset[int] = frozenset(), seconds: float = DEFAULT_DEADLINE
) -> dict[str, Present]:
    """:func:`examine` for several paths, with one look at the mounts and at who holds locks; each has so many ``seconds`` to answer."""
    mounts, known = read_mounts(), LockHolders()

    def patiently(path: str) -> Present:
        try:
            return within(seconds, path, lambda: examine(path, ignore=ignore, mounts=mounts, known=known))
        except StorageTimeout:
            return Present(PathFacts(path, end=End.SILENT))

    return {path: patiently(path) for path in dict.fromkeys(paths)}
