"""Whether something below a directory is in use, so that the right to search it has to stay. Looks, changes nothing.

Two sources: QEMU's image locks on the files that grants hold, and what processes of the user have open below it, which is also what
they made there since (the overlay of a live snapshot). Source: proc_pid_fd(5), proc_pid_status(5).
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from diskchain.access.grants.changes import AddEntry
from diskchain.access.grants.journal_schema import Hold
from diskchain.access.image_locks import ImageLocks, image_locks
from diskchain.errors import StorageTimeout
from diskchain.system.deadline import within


@dataclass(frozen=True, slots=True)
class Opened:
    """What a process has open below a directory. ``path`` None: we may not see what it has open."""

    pid: int
    command: str
    path: str | None


def why_in_use(directory: str, hold: Hold, holds: Iterable[Hold], seconds: float) -> str:
    """Why something below ``directory`` counts as used, empty when nothing does.

    ``hold``: the one on the directory; ``holds``: all there are. ``seconds``: what a file has to answer.
    """
    for other in holds:
        path = other.file.path
        if path.startswith(_inside(directory)):
            try:
                locks = within(seconds, path, lambda: _locks(path))  # noqa: B023 - asked at once
            except StorageTimeout:
                return f"it is the way to {path}, which does not answer"
            if locks is not None and locks.held:
                by = locks.holders[0] if locks.holders else None
                who = f"{by.command} (process {by.pid})" if by is not None else "another process"
                return f"it is the way to {path}, which {who} has open"
    users = frozenset(change.uid for change in hold.changes if isinstance(change, AddEntry))
    opened = opened_below(directory, users) if users else []
    for each in opened:
        if each.path is not None:
            return f"it is the way to {each.path}, which {each.command} (process {each.pid}) has open"
    for each in opened:
        return f"{each.command} (process {each.pid}) of that user runs, and what it has open cannot be seen"
    return ""


def opened_below(directory: str, users: frozenset[int]) -> list[Opened]:
    """What processes of these ``users`` (user ids) have open below ``directory``, a path without symlinks."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid() and _users_of(process) & users:
            opened = _opened_by(process, _inside(directory))
            if opened is not None:
                found.append(opened)
    return found


def _opened_by(process: Path, beginning: str) -> Opened | None:
    try:
        descriptors = os.listdir(process / "fd")
    except PermissionError:
        return Opened(int(process.name), _command(process), None)
    except OSError:
        return None  # it ended meanwhile
    for descriptor in descriptors:
        try:
            path = os.readlink(process / "fd" / descriptor)  # does not ask the file system it is on
        except OSError:
            continue
        if path.startswith(beginning):
            return Opened(int(process.name), _command(process), path.removesuffix(" (deleted)"))
    return None


def _users_of(process: Path) -> frozenset[int]:
    """Real, effective, saved and file system user id. The owner of its directory in /proc is root's once it has changed its user."""
    try:
        lines = (process / "status").read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(int(word) for line in lines if line.startswith("Uid:") for word in line.split()[1:])


def _command(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return "?"


def _locks(path: str) -> ImageLocks | None:
    return image_locks(path) if os.path.isfile(path) else ImageLocks()


def _inside(directory: str) -> str:
    return directory.rstrip("/") + "/"
