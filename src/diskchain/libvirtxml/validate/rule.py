"""What a rule is, and what rules may look at: one layer, one disk, or all disks of a domain."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from diskchain.guest.disk import Disk
from diskchain.libvirtxml.validate.domain_context import Surroundings
from diskchain.libvirtxml.vocabulary import FORMAT_WORDS
from diskchain.storage.source import Source
from diskchain.storage.terms import Format


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that breaks a rule.

    ``at`` is where, as a path below the disk (for a rule about a layer: below the element that has its ``<source>``);
    ``allowed`` lists what would be right, if that is a short list.
    """

    message: str
    at: str = ""
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DiskProblem:
    """A problem that only all disks together have. ``disk`` is the position of the one that is told."""

    disk: int
    problem: Problem


SourceCheck = Callable[[Source], Iterator[Problem]]
DiskCheck = Callable[[Disk, Surroundings], Iterator[Problem]]
DomainCheck = Callable[[Sequence[Disk], Surroundings], Iterator[DiskProblem]]

Check = TypeVar("Check", SourceCheck, DiskCheck, DomainCheck)


@dataclass(frozen=True, slots=True)
class Rule(Generic[Check]):
    """A check and the id of what it finds, a key of :data:`~diskchain.libvirtxml.kinds.KINDS`."""

    id: str
    check: Check


class Rules(Generic[Check]):
    """Rules of one noun, in the order in which they are written down."""

    def __init__(self) -> None:
        self._rules: list[Rule[Check]] = []

    def rule(self, id: str) -> Callable[[Check], Check]:
        """Decorates a check: from here on it is one of these rules."""

        def register(check: Check) -> Check:
            self._rules.append(Rule(id, check))
            return check

        return register

    def __iter__(self) -> Iterator[Rule[Check]]:
        return iter(self._rules)


def format_word(format: Format | None) -> str:
    """A format as documents write it: what QEMU calls parallels is ploop there."""
    return "of a format nobody declared" if format is None else FORMAT_WORDS.get(format, str(format))


def words(*values: str) -> tuple[str, ...]:
    """Members of an enum as they are written, for ``allowed``."""
    return tuple(map(str, values))
