"""What would be done so that a user may use a chain: the least change to each file, and what is left to a person.

Pure: a plan is a value. ``apply`` carries it out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from diskchain.access.by_kernel import Hindrance
from diskchain.access.fixes import changes_command
from diskchain.access.grants.changes import Change, merge
from diskchain.access.grants.trust import BY_USER, Named, Refusal
from diskchain.access.judge import FileAccess
from diskchain.access.kernel.identity import Identity
from diskchain.access.kernel.path_facts import End, Inode, Search
from diskchain.access.requirements import Access
from diskchain.storage.location import describe_location


@dataclass(frozen=True, slots=True)
class Step:
    """One file or directory of a plan.

    ``changes`` empty: nothing is changed now, but its state is recorded, because libvirt may change it meanwhile.
    ``device``, ``inode`` and ``birth`` say which file was judged. ``command`` is a shell command with the same effect. ``named``: who
    named the file, or those on whose way the directory is.
    """

    path: str
    device: int
    inode: int
    birth: int | None
    access: Access
    changes: tuple[Change, ...] = ()
    because: tuple[str, ...] = ()
    command: str | None = None
    named: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOver:
    """Something in the way that the plan does not remove, and why not.

    ``command`` is for a person to decide on; ``advice`` says in words what would help where no command here does.
    """

    path: str
    reason: str
    command: str | None = None
    unknown: bool = False
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps and what they leave. ``complete``: afterwards nothing known stands in the way.

    ``no_answer``: files that did not answer, so that what they are like cannot be recorded. ``refused``: why no right is granted at
    all, whatever the steps are. ``elsewhere``: what is not a file on this host, so that nothing was looked at.
    """

    who: Identity
    steps: tuple[Step, ...]
    left: tuple[LeftOver, ...]
    no_answer: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    elsewhere: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the steps are enough."""
        return not self.no_answer and not self.refused and all(rest.unknown for rest in self.left)

    @property
    def changing(self) -> tuple[Step, ...]:
        """The steps that change something."""
        return tuple(step for step in self.steps if step.changes)


def plan_grant(
    accesses: Sequence[FileAccess],
    who: Identity,
    *,
    allowed: frozenset[str] = frozenset({"acl"}),
    named: Mapping[str, Named] = MappingProxyType({}),
    refused: Iterable[Refusal] = (),
) -> Plan:
    """The least that lets ``who`` use the files as ``accesses`` needs them.

    ``allowed``: kinds of change that may be made: ``acl``, and, when asked for, ``mode`` and ``owner``. Every image and
    data file is recorded, changed or not; directories only when changed. ``named``: who named a path, else the command line did.
    ``refused``: why no right may be granted; the plan is not complete then, and has no step for the paths it is about.
    """
    first_of = {refusal.path: refusal for refusal in reversed([*refused])}
    steps: dict[tuple[int, int], Step] = {}
    left: dict[LeftOver, None] = {}
    for access in accesses:
        if access.present is None or access.need.path in first_of:
            continue
        inodes = {inode.path: inode for inode in _inodes(access)}
        by = named.get(access.need.path or "", BY_USER)
        if access.present.facts.file is not None:
            _merge(steps, access.present.facts.file, access, (), by)
        for hindrance in access.hindrances:
            forbidden = {str(change.type) for change in hindrance.changes} - allowed
            if hindrance.changes and not forbidden and hindrance.at in inodes:
                _merge(steps, inodes[hindrance.at], access, hindrance.changes, by)
            else:
                left[_left_over(hindrance, forbidden)] = None
    finished = tuple(_with_command(step, who, accesses) for step in steps.values())
    no_answer = {
        access.present.facts.path for access in accesses if access.present and access.present.facts.end is End.SILENT
    }
    elsewhere = (describe_location(access.need.source.location) for access in accesses if access.present is None)
    return Plan(
        who,
        finished,
        tuple(left),
        tuple(sorted(no_answer)),
        tuple(reversed(first_of.values())),
        tuple(dict.fromkeys(elsewhere)),
    )


def _inodes(access: FileAccess) -> list[Inode]:
    facts = access.present.facts if access.present else None
    if facts is None:
        return []
    directories = [step.directory for step in facts.steps if isinstance(step, Search)]
    return directories if facts.file is None else [*directories, facts.file]


def _merge(
    steps: dict[tuple[int, int], Step], inode: Inode, wanted: FileAccess, changes: tuple[Change, ...], by: Named
) -> None:
    key = (inode.device, inode.number)
    access = wanted.need.access
    step = steps.get(key) or Step(inode.path, inode.device, inode.number, inode.birth, access)
    steps[key] = replace(
        step,
        changes=merge((*step.changes, *changes)),
        because=tuple(dict.fromkeys((*step.because, wanted.need.because))),
        access=Access.WRITE if Access.WRITE in (access, step.access) else Access.READ,
        named=tuple(dict.fromkeys((*step.named, by))),
    )


def _left_over(hindrance: Hindrance, forbidden: set[str]) -> LeftOver:
    reason = hindrance.reason
    if forbidden:
        reason += f"; to change that, its {' and its '.join(sorted(forbidden))} would have to change, which --allow does not name"
    return LeftOver(hindrance.at, reason, hindrance.command, hindrance.unknown, hindrance.advice)


def _with_command(step: Step, who: Identity, accesses: Sequence[FileAccess]) -> Step:
    if not step.changes:
        return step
    for access in accesses:
        for inode in _inodes(access):
            if (inode.device, inode.number) == (step.device, step.inode):
                return replace(step, command=changes_command(inode, step.changes, who))
    return step
