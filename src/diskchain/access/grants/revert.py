"""Gives back what was granted: each file gets the state the journal has, and the journal forgets it afterwards.

Order of events for one file: the journal says it is being given back; the file is written; that is on the disk; the
journal forgets. Dying in between leaves the original in the journal, and the next revert does it again.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from diskchain.access.grants.file_state import RightsFile, open_rights
from diskchain.access.grants.in_use import why_in_use
from diskchain.access.grants.journal import Journal
from diskchain.access.grants.journal_schema import FileRecord, Grant, Hold, Phase, describe_damage
from diskchain.access.grants.revert_rules import DEFAULT_OPTIONS, FileNow, Result, RevertOptions, plan_revert
from diskchain.access.image_locks import image_locks
from diskchain.errors import DiskchainError, JournalError, StorageError, StorageMissing, StorageTimeout
from diskchain.system.deadline import DEFAULT_DEADLINE, within
from diskchain.system.file_handle import Fate, Whereabouts, whereabouts
from diskchain.system.process import boot_id

_DONE = (Result.RESTORED, Result.SHARED, Result.DELETED, Result.FORGOTTEN)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file of a grant. ``done``: the journal no longer has it for this grant.

    ``grant`` and ``path`` are None where a damaged record does not tell.
    """

    grant: int | None
    path: str | None
    result: Result
    reason: str = ""

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.result in _DONE


class _Replaced(StorageError):
    """Another file is at the recorded path."""


def revert(
    journal: Journal,
    grants: Iterable[int] | None = None,
    options: RevertOptions = DEFAULT_OPTIONS,
    *,
    forget: bool = False,
    seconds: float = DEFAULT_DEADLINE,
) -> tuple[Outcome, ...]:
    """Gives back the grants with these numbers; None: every grant whose holder no longer lives.

    ``forget``: drop what cannot be given back from the journal, files untouched. ``seconds``: what a file has for each answer.
    Never raises for a single file or a damaged record: its outcome says what went wrong.
    """
    numbers = None if grants is None else frozenset(grants)
    with journal.exclusive():
        contents = journal.contents()
        chosen = [grant for grant in contents.grants if (grant.over if numbers is None else grant.id in numbers)]
        outcomes: list[Outcome] = []
        for grant in chosen:
            holds = [hold for hold in contents.holds if hold.grant == grant.id]
            outcomes += revert_grant(grant, holds, journal, options, forget=forget, seconds=seconds)
        outcomes += _damaged(journal, numbers, forget=forget)
        return tuple(outcomes)


def revert_grant(
    grant: Grant,
    holds: Sequence[Hold],
    journal: Journal,
    options: RevertOptions = DEFAULT_OPTIONS,
    *,
    forget: bool = False,
    seconds: float = DEFAULT_DEADLINE,
) -> tuple[Outcome, ...]:
    """Gives one grant back, the last of its ``holds`` first. The caller holds the journal's lock."""
    outcomes = []
    for hold in reversed(holds):
        outcome = _revert_hold(hold, grant, journal, options, seconds)
        if forget and not outcome.done:
            outcome = _forgotten(hold, outcome, journal)
        outcomes.append(outcome)
    try:
        journal.end(grant)
    except JournalError as error:
        outcomes.append(Outcome(grant.id, None, Result.FAILED, error.problem))
    return tuple(outcomes)


def _forgotten(hold: Hold, outcome: Outcome, journal: Journal) -> Outcome:
    try:
        journal.release(hold)
    except JournalError:
        return outcome
    return replace(outcome, result=Result.FORGOTTEN)


def _damaged(journal: Journal, numbers: frozenset[int] | None, *, forget: bool) -> list[Outcome]:
    """What is not given back because its record cannot be read: of these grants, and of those that cannot be told."""
    outcomes = []
    for damage in journal.contents().damage:
        if numbers is None or damage.grant is None or damage.grant in numbers:
            forgotten = forget and journal.forget_damage(damage)
            reason = "" if forgotten else describe_damage(damage)
            result = Result.FORGOTTEN if forgotten else Result.DAMAGED
            outcomes.append(Outcome(damage.grant, damage.path, result, reason))
    return outcomes


def _revert_hold(hold: Hold, grant: Grant, journal: Journal, options: RevertOptions, seconds: float) -> Outcome:
    path = hold.file.path
    try:
        with open_rights(path, seconds=seconds) as file:
            _check(hold.file, file.identity().same(hold.file.identity, rebooted=hold.file.boot != boot_id()))
            holds = journal.holds()
            others = [other for other in holds if other.file.id == hold.file.id and other.grant != grant.id]
            decision = plan_revert(hold, grant, others, _present(file, hold, holds, seconds), options)
            if decision.target is None:
                return Outcome(grant.id, path, decision.result, decision.reason)
            journal.set_phase(hold, Phase.REVERTING)
            file.write(decision.target, times=options.times)
            file.sync()
            return _released(hold, Outcome(grant.id, path, decision.result, decision.reason), journal)
    except (StorageMissing, _Replaced) as error:
        return _lost(hold, grant, journal, replaced=isinstance(error, _Replaced), seconds=seconds)
    except StorageTimeout as error:
        return Outcome(grant.id, path, Result.NO_ANSWER, error.problem)
    except DiskchainError as error:
        return Outcome(grant.id, path, Result.FAILED, str(error))


def _released(hold: Hold, outcome: Outcome, journal: Journal) -> Outcome:
    """The outcome for a file of which nothing is left to do, once the journal has forgotten it."""
    try:
        journal.release(hold)
    except JournalError as error:
        return replace(outcome, result=Result.FAILED, reason=f"{outcome.result}, but still recorded: {error}")
    return outcome


def _present(file: RightsFile, hold: Hold, holds: Sequence[Hold], seconds: float) -> FileNow:
    if file.is_directory():
        return FileNow(file.state(), directory=True, below=why_in_use(file.path, hold, holds, seconds))
    return FileNow(file.state(), file.ask(lambda: image_locks(file.link)))


def _check(file: FileRecord, same: bool) -> None:  # noqa: FBT001 - a private guard
    if not same:
        raise _Replaced("another file has taken its place", path=file.path)


def _look_for(file: FileRecord, seconds: float) -> Whereabouts:
    """Asks the file system for the inode itself, if the one the file was on is still mounted there."""
    directory = os.path.dirname(file.path)
    try:
        return within(seconds, directory, lambda: _look_below(directory, file))
    except StorageTimeout:
        return Whereabouts(Fate.UNKNOWN)


def _look_below(directory: str, file: FileRecord) -> Whereabouts:
    try:
        same = file.boot == boot_id() and os.stat(directory).st_dev == file.identity.device
        mounted = same and os.statvfs(directory).f_fsid == file.identity.filesystem
    except OSError:
        mounted = False
    return whereabouts(file.identity.handle, directory) if mounted else Whereabouts(Fate.UNKNOWN)


def _lost(hold: Hold, grant: Grant, journal: Journal, *, replaced: bool, seconds: float) -> Outcome:
    """The file is not where it was. When it no longer exists anywhere, nothing is left to give back."""
    path = hold.file.path
    found = _look_for(hold.file, seconds)
    if found.fate is Fate.DELETED and not replaced:
        return _released(hold, Outcome(grant.id, path, Result.DELETED), journal)
    reason = "another file has taken its place" if replaced else "nothing is there any more"
    if found.fate is Fate.MOVED:
        reason += f"; the recorded one is now {found.path}" if found.path else "; the recorded one was moved"
    elif found.fate is Fate.DELETED:
        reason += "; the recorded one is deleted"
    return Outcome(grant.id, path, Result.REFUSED, reason)
