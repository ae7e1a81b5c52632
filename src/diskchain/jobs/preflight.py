"""What keeps a plan from being carried out that only the host knows: all of it at once, each with what would help.

Who has a file open, who else relies on it, rights, room. Looks, and changes nothing. Between the look and the job something may change;
the locks of the job and QEMU's own hold then.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diskchain.access.openers import Openers
from diskchain.errors import StorageError
from diskchain.findings import Finding, finding
from diskchain.jobs.others import Searched, search
from diskchain.jobs.plan import Plan
from diskchain.system.deadline import DEFAULT_DEADLINE, within
from diskchain.units import human_size


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was found, and where was looked for other overlays."""

    findings: tuple[Finding, ...]
    searched: Searched


def preflight(plan: Plan, search_below: Sequence[str] = (), seconds: float = DEFAULT_DEADLINE) -> Preflight:
    """All that stands in the way of ``plan``. ``search_below``: directories searched for other overlays, with all below them.

    The directories of the chain's own files are always searched.
    """
    paths = [seen.path for seen in plan.files]
    beside = list(dict.fromkeys(os.path.dirname(path) for path in paths))
    affected = affected_paths(plan)
    searched = search(paths, beside if affected else (), search_below if affected else (), seconds)
    found = [
        *_overlays(plan, searched, affected),
        *_open_elsewhere(plan, seconds),
        *_rights(plan, seconds),
        *_room(plan, seconds),
    ]
    if affected:
        found.append(_not_searched(searched))
    return Preflight(tuple(found), searched)


def affected_paths(plan: Plan) -> frozenset[str]:
    """Files that read differently after the job when they are opened by themselves, or are gone: no other overlay may rely on them."""
    gone = set(plan.delete)
    if plan.work is not None and plan.work.kind == "commit" and plan.work.base is not None:
        inside = plan.layers[plan.work.top + 1 : plan.work.base + 1]
        gone |= {layer.path for layer in inside if layer.path is not None}
    return frozenset(gone)


def _overlays(plan: Plan, searched: Searched, affected: frozenset[str]) -> Iterator[Finding]:
    for other in searched.overlays:
        if other.base in affected:
            what = "is to be deleted" if other.base in plan.delete else "is to be changed"
            message = f"{other.path} is another overlay of {other.base}, which {what}: it would read other data"
            yield finding("job-other-overlay", message, file=other.base, referrer=other.path)


def _not_searched(searched: Searched) -> Finding:
    where = ", ".join(searched.directories) or "nowhere"
    more = f"; not searched: {', '.join(searched.unsearched)}" if searched.unsearched else ""
    message = f"other overlays of these files were looked for in {where}, and nowhere else (--search DIR){more}"
    return finding("job-searched", message)


def _open_elsewhere(plan: Plan, seconds: float) -> Iterator[Finding]:
    """Who has a file open that would change; any of the chain, since whoever writes to one changes what is compared."""
    openers = Openers(seconds)
    for seen in plan.files:
        holder = openers(seen.path)
        if holder is not None:
            yield finding("job-in-use", f"{seen.path} is open: {holder}", file=seen.path)


def _rights(plan: Plan, seconds: float) -> Iterator[Finding]:
    changed = dict.fromkeys([*plan.written, *(pointer.path for pointer in plan.repoints)])
    made = () if plan.creates is None else (plan.creates.path,)
    for path in changed:
        if path not in made and not _may(path, os.W_OK, seconds):
            yield finding("job-rights", f"{path} has to be written to, and this user may not", file=path)
    paths = [seen.path for seen in plan.files]
    readable = within(seconds, paths[0], lambda: [os.access(path, os.R_OK, effective_ids=True) for path in paths])
    for path in (path for path, may in zip(paths, readable, strict=True) if not may):
        yield finding("job-rights", f"{path} has to be read, and this user may not", file=path)
    for directory in dict.fromkeys(os.path.dirname(path) for path in (*plan.delete, *made)):
        if not os.access(directory, os.W_OK | os.X_OK, effective_ids=True):
            yield finding(
                "job-rights",
                f"{directory}: files are to be made or deleted there, and this user may not",
                file=directory,
            )


def _may(path: str, mode: int, seconds: float) -> bool:
    return within(seconds, path, lambda: os.access(path, mode, effective_ids=True))


def _room(plan: Plan, seconds: float) -> Iterator[Finding]:
    path = plan.creates.path if plan.creates is not None else plan.written[0] if plan.written else None
    if path is None or not plan.room or any(layer.block and layer.path == path for layer in plan.layers):
        return  # a device does not grow
    directory = os.path.dirname(path)
    try:
        status = within(seconds, directory, lambda: os.statvfs(directory))
    except (OSError, StorageError):
        return
    free = status.f_bavail * status.f_frsize
    if free < plan.room:
        message = f"{directory} has {human_size(free)} left, and the job may need {human_size(plan.room)}"
        yield finding("job-room", message, file=directory)
