"""``resume --adopt``: a chain whose merge another tool left half done, and which of its files is right. Changes nothing."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from diskchain.actions.chains import examine_one
from diskchain.actions.examined import DEFAULT, Settings
from diskchain.actions.job_target import job_target
from diskchain.actions.target import TargetName
from diskchain.discover import BackingChain
from diskchain.errors import DiskchainError, StorageError
from diskchain.findings import Finding, Severity
from diskchain.jobs.adopt.judge import Leaf, judge
from diskchain.jobs.others import images_in, search
from diskchain.storage.location import local_path
from diskchain.storage.source import layers


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was found; ``searched``: where other leaves were looked for. No finding: nothing shows a merge that was cut off."""

    findings: tuple[Finding, ...]
    searched: tuple[str, ...]


def adopt(
    name: TargetName, disks: Sequence[str] = (), *, search_below: Sequence[str] = (), settings: Settings = DEFAULT
) -> Adopted:
    """Which leaf holds what one disk of ``name`` shall read as. Raises UsageError, StorageError, XmlError, PeerError."""
    target = job_target(name, disks, settings)
    chain = target.disk.headers or target.disk.whole  # a document may still name what was below
    faults = tuple(found for found in chain.findings if found.severity is Severity.ERROR)
    if faults or not chain.complete:
        return Adopted(faults or target.draft.refused, ())
    paths = [path for layer in chain if (path := local_path(layer.source.location)) is not None]
    found, searched = _overlays_of(paths, search_below, name.timeout)
    leaves = [leaf for path in found if (leaf := _leaf(path, paths, name)) is not None]
    declared: frozenset[str] = frozenset()
    if target.number is not None:
        below = [*layers(target.disk.target.source)][1:]
        declared = frozenset(path for each in below if (path := local_path(each.location)) is not None)
    unrelated = _unrelated(chain, paths, name) if len(chain) == 1 else []
    try:
        return Adopted(tuple(judge(chain, leaves, unrelated, declared)), searched)
    except OSError as error:
        raise StorageError(error.strerror or str(error), path=error.filename or name.name) from error


def _overlays_of(paths: Iterable[str], below: Sequence[str], seconds: float) -> tuple[list[str], tuple[str, ...]]:
    """Images that stand on one of ``paths``, directly or not, and that nothing stands on; and where was looked."""
    known = [*paths]
    bases: set[str] = set()
    new, searched = known, dict.fromkeys(map(os.path.dirname, known))
    while new:
        found = search(known, searched, below, seconds)
        new = [each.path for each in found.overlays if each.path not in known]
        bases |= {each.base for each in found.overlays}
        known += new
        searched |= dict.fromkeys(found.directories)
    start = [*paths]
    return [path for path in known if path not in bases and path not in start], tuple(searched)


def _unrelated(chain: BackingChain, paths: Sequence[str], name: TargetName) -> list[BackingChain]:
    """Leaves beside a disk without a backing file, as large as it is."""
    header = chain.top.header
    beside = images_in(map(os.path.dirname, paths), 0 if header is None else header.capacity, name.timeout)
    others = [found for path in beside if path not in paths and (found := _chain(path, name)) is not None]
    named = {local_path(layer.source.location) for other in others for layer in [*other][1:]}
    return [other for other in others if local_path(other.source.location) not in named]


def _chain(path: str, name: TargetName) -> BackingChain | None:
    """The chain of the image at ``path``; None for one that cannot be read to its end."""
    try:
        (disk,) = examine_one(TargetName(path, timeout=name.timeout), DEFAULT).disks
    except (DiskchainError, ValueError):
        return None
    return disk.whole if disk.whole.complete and not disk.whole.faulty else None


def _leaf(path: str, paths: Sequence[str], name: TargetName) -> Leaf | None:
    """The leaf at ``path`` with its chain, and where that meets the disk's; None for one that cannot be read."""
    chain = _chain(path, name)
    if chain is None:
        return None
    inside = [local_path(layer.source.location) for layer in chain]
    meets = next((place for place, each in enumerate(paths) if each in inside), None)
    return None if meets is None else Leaf(chain, meets)
