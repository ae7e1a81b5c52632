"""What would be done so that somebody may use a chain: the least change to each file, and what is left to a person.

Pure: a plan is a value. ``apply`` carries it out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diskchain.access.fixes import changes_command
from diskchain.access.grants.changes import Change, merge
from diskchain.access.judge import FileAccess, Hindrance
from diskchain.access.kernel.identity import Identity
from diskchain.access.kernel.path_facts import End, Inode, Search
from diskchain.access.requirements import Access


@dataclass(frozen=True, slots=True)
class Step:
    """One file or directory of a plan.

    ``changes`` empty: nothing is changed now, but its state is recorded, because libvirt may change it meanwhile.
    ``device``, ``inode`` and ``birth`` say which file was judged. ``command`` is a shell command with the same effect.
    """

    path: str
    device: int
    inode: int
    birth: int | None
    access: Access
    changes: tuple[Change, ...] = ()
    because: tuple[str, ...] = ()
    command: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOver:
    """Something in the way that the plan does not remove, and why not. ``command`` is for a person to decide on."""

    path: str
    reason: str
    command: str | None = None
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps and what they leave. ``complete``: afterwards nothing known stands in the way.

    ``silent``: files that did not answer, so that what they are like cannot be taken down.
    """

    who: Identity
    steps: tuple[Step, ...]
    left: tuple[LeftOver, ...]
    silent: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the steps are enough."""
        return not self.silent and all(rest.unknown for rest in self.left)

    @property
    def changing(self) -> tuple[Step, ...]:
        """The steps that change something."""
        return tuple(step for step in self.steps if step.changes)


def plan_grant(accesses: Sequence[FileAccess], who: Identity, *, allowed: frozenset[str] = frozenset({"acl"})) -> Plan:
    """The least that lets ``who`` use the files as ``accesses`` needs them.

    ``allowed``: kinds of change that may be made: ``acl``, and, when asked for, ``mode`` and ``owner``. Every image and
    data file is recorded, changed or not; directories only when changed.
    """
    steps: dict[tuple[int, int], Step] = {}
    left: dict[LeftOver, None] = {}
    for access in accesses:
        if access.present is None:
            continue
        inodes = {inode.path: inode for inode in _inodes(access)}
        if access.present.facts.file is not None:
            _merge(steps, access.present.facts.file, access.need.access, (), access.need.because)
        for hindrance in access.hindrances:
            forbidden = {str(change.type) for change in hindrance.changes} - allowed
            if hindrance.changes and not forbidden and hindrance.at in inodes:
                _merge(steps, inodes[hindrance.at], access.need.access, hindrance.changes, access.need.because)
            else:
                left[_left_over(hindrance, forbidden)] = None
    finished = tuple(_with_command(step, who, accesses) for step in steps.values())
    silent = {
        access.present.facts.path for access in accesses if access.present and access.present.facts.end is End.SILENT
    }
    return Plan(who, finished, tuple(left), tuple(sorted(silent)))


def _inodes(access: FileAccess) -> list[Inode]:
    facts = access.present.facts if access.present else None
    if facts is None:
        return []
    directories = [step.directory for step in facts.steps if isinstance(step, Search)]
    return directories if facts.file is None else [*directories, facts.file]


def _merge(
    steps: dict[tuple[int, int], Step], inode: Inode, access: Access, changes: tuple[Change, ...], because: str
) -> None:
    key = (inode.device, inode.number)
    step = steps.get(key) or Step(inode.path, inode.device, inode.number, inode.birth, access)
    merged = merge((*step.changes, *changes))
    reasons = tuple(dict.fromkeys((*step.because, because)))
    stronger = Access.WRITE if Access.WRITE in (access, step.access) else Access.READ
    steps[key] = replace(step, changes=merged, because=reasons, access=stronger)


def _left_over(hindrance: Hindrance, forbidden: set[str]) -> LeftOver:
    reason = hindrance.reason
    if forbidden:
        reason += f"; mending that changes the {' and the '.join(sorted(forbidden))}, which was not asked for"
    return LeftOver(hindrance.at, reason, hindrance.command, hindrance.unknown)


def _with_command(step: Step, who: Identity, accesses: Sequence[FileAccess]) -> Step:
    if not step.changes:
        return step
    for access in accesses:
        for inode in _inodes(access):
            if (inode.device, inode.number) == (step.device, step.inode):
                return replace(step, command=changes_command(inode, step.changes, who))
    return step
