"""Everything that is wrong with images, documents and domains: what the pipeline finds, target by target."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from diskchain.actions.backup import held_against_domain
from diskchain.actions.deep_check import deepened
from diskchain.actions.directory import Tell
from diskchain.actions.examined import DEFAULT, Examined, Settings
from diskchain.actions.select_layer import select_each
from diskchain.actions.target import TargetName
from diskchain.actions.together import examine_all
from diskchain.actions.walked import Walked
from diskchain.discover.messages import unreadable_target
from diskchain.errors import DiskchainError
from diskchain.findings import Finding


@dataclass(frozen=True, slots=True)
class TargetReport:
    """What was found for one target. ``error``: why it could not be read; the findings say the same. ``walked``: what is below a directory."""

    name: str
    findings: tuple[Finding, ...]
    error: DiskchainError | None = None
    walked: Walked | None = None


def check(
    names: Iterable[TargetName],
    wanted: Sequence[str] = (),
    settings: Settings = DEFAULT,
    *,
    host: str | None = None,
    tell: Tell | None = None,
    deep: bool = False,
) -> Iterator[TargetReport]:
    """Reports in the order of the targets, each as soon as it is known; of a directory, of what is in it. ``wanted``: only these disks and layers.

    A backup is held against the domain before it, if there is one and no other. ``deep``: the tables of every layer are read and compared with each other. ``host``: the URI of a connection, of which the rights on files come as well. A target that cannot be read is a finding; if it is the only one, its error is raised.
    Raises LayerNotFound when no target has what is wanted, PeerError.
    """
    known = select_each(examine_all(names, settings, host, tell=tell), wanted, settings.timeout)
    known = held_against_domain(known, settings)
    if deep:
        known = deepened(known, settings)
    if host is None:
        known = _raising_alone(known)
    for each in known:
        yield TargetReport(each.name, _findings(each), each.error, each.walked)


def domains_of(uri: str) -> list[str]:
    """The names of all domains of a connection. Raises PeerError."""
    from diskchain.hypervisor.connection import Connection

    with Connection(uri) as connection:
        return sorted(domain.name for domain in connection.domains())


def _raising_alone(targets: Iterator[Examined]) -> Iterator[Examined]:
    """The same; the error of a target that has no other beside it is raised."""
    first = next(targets, None)
    if first is None:
        return
    second = next(targets, None)
    if second is None and first.error is not None:
        raise first.error
    yield first
    if second is not None:
        yield second
        yield from targets


def _findings(target: Examined) -> tuple[Finding, ...]:
    found = (*target.said, *[each for disk in target.disks for each in disk.findings()])
    return found if target.error is None else (unreadable_target(target.name, target.error), *found)
