"""``revert``: gives back what was granted, and says what the journal has."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from diskchain.access.grants.journal import Journal, journal_exists
from diskchain.access.grants.journal_schema import EMPTY, Contents
from diskchain.access.grants.revert import Outcome, revert
from diskchain.access.grants.revert_rules import RevertOptions
from diskchain.errors import UsageError
from diskchain.system.deadline import DEFAULT_DEADLINE


@dataclass(frozen=True, slots=True)
class Reverted:
    """What became of each file, and what the journal has now: the grants that were left alone among it."""

    outcomes: tuple[Outcome, ...] = ()
    left: Contents = EMPTY


@dataclass(frozen=True, slots=True)
class Listed:
    """What the journal has. ``unwritable``: why it cannot be changed, so that nothing can be given back; None when it can."""

    contents: Contents = EMPTY
    unwritable: str | None = None


def give_back(
    state: Path,
    grants: Iterable[int] = (),
    *,
    force: bool = False,
    times: bool = False,
    forget: bool = False,
    seconds: float = DEFAULT_DEADLINE,
) -> Reverted:
    """Gives back the ``grants`` with these numbers, which are over then; without any, all whose process no longer lives.

    ``state``: the directory of the journal. ``force``: also what is in use, or was changed by others. ``times``: modification and
    access times, too. ``forget``: drop from the journal what cannot be given back. ``seconds``: what each file and the journal have to
    answer. Raises UsageError for a number that no grant has, JournalError when the journal is there and cannot be used.
    """
    wanted = tuple(grants)
    if not journal_exists(state, seconds=seconds):
        _refuse_unknown(wanted, EMPTY)
        return Reverted()
    with Journal(state, "change", seconds=seconds) as journal:
        _refuse_unknown(wanted, journal.contents())
        options = RevertOptions(over=bool(wanted), force=force, times=times)
        outcomes = revert(journal, wanted or None, options, forget=forget, seconds=seconds)
        return Reverted(outcomes, journal.contents())


def list_grants(state: Path, grants: Iterable[int] = (), *, seconds: float = DEFAULT_DEADLINE) -> Listed:
    """What the journal in the directory ``state`` has of the ``grants`` with these numbers, or of all; changes and makes nothing.

    Raises UsageError for a number that no grant has, JournalError when the journal is there and cannot be read.
    """
    wanted = frozenset(grants)
    if not journal_exists(state, seconds=seconds):
        _refuse_unknown(wanted, EMPTY)
        return Listed()
    with Journal(state, "read", seconds=seconds) as journal:
        found = journal.contents()
        _refuse_unknown(wanted, found)
        if wanted:
            found = Contents(
                tuple(grant for grant in found.grants if grant.id in wanted),
                tuple(hold for hold in found.holds if hold.grant in wanted),
                tuple(damage for damage in found.damage if damage.grant is None or damage.grant in wanted),
            )
        return Listed(found, journal.unwritable)


def _refuse_unknown(wanted: Iterable[int], contents: Contents) -> None:
    known = {grant.id for grant in contents.grants}
    unknown = sorted(set(wanted) - known)
    if unknown:
        names = ", ".join(map(str, sorted(known))) or "none"
        raise UsageError(f"there is no grant {unknown[0]}; the grants are: {names}")
