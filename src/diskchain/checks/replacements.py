"""Look for the files a chain lacks: which could be each, and the command that puts the likeliest in place.

A command is given only if exactly one candidate is likeliest, is where one would look for it, and makes a better chain when tried. Knows
candidates, commands and the walk; changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from diskchain.checks import commands
from diskchain.checks.closer import closer
from diskchain.checks.commands import FORMAT, NEW_PATH, Cure, TellDocument, as_stored
from diskchain.checks.cure_messages import ambiguous, found_again, held_open
from diskchain.checks.search import Candidate, FileIndex, beside
from diskchain.checks.trials import is_better
from diskchain.checks.wanted import Part, Wanted
from diskchain.discover.chain import BackingChain, Layer
from diskchain.discover.trial import tried
from diskchain.errors import StorageError
from diskchain.findings import Finding
from diskchain.readers.open import Image
from diskchain.readers.policy import LIBVIRT, OpenPolicy
from diskchain.storage.location import FileLocation
from diskchain.storage.reference import redacted
from diskchain.storage.source import Source
from diskchain.system.absence import Absence, Reason, absence
from diskchain.system.deadline import DEFAULT_DEADLINE, within

#: Candidates shown for one missing file; more is noise.
SHOWN: Final = 5
#: Candidates tried for one missing file. Each costs a walk.
_TRIED: Final = 50
_BROKEN_NAMES: Final = frozenset(("foreign-reference", "reference-syntax"))
_SAME_TAIL: Final = 2  # components of a path: the name and its directory

#: Who has a file open, in words; None: nobody.
OpenIn = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Around:
    """What the cures of one chain need beside it.

    ``asked``, ``probe``, ``policy``, ``elsewhere``: what it was discovered from and how. ``searched``: the directories somebody asked to be
    searched. ``tell``: changes the document. ``seconds``: for each answer of storage.
    """

    asked: Source
    open_in: OpenIn
    probe: bool = False
    policy: OpenPolicy = LIBVIRT
    elsewhere: Callable[[Source], Image] | None = None
    searched: FileIndex | None = None
    tell: TellDocument | None = None
    seconds: float = DEFAULT_DEADLINE

    def walk(self, cure: Cure) -> BackingChain | None:
        """The chain after ``cure``; None when storage did not answer."""
        top = cure.top or self.asked
        return tried(cure.change, top, policy=self.policy, elsewhere=self.elsewhere, closer=closer, probe=self.probe)


@dataclass(frozen=True, slots=True)
class LookedFor:
    """What came of looking for one file: a command, what to say of it, and the candidates."""

    fix: str | None = None
    said: str = ""
    notes: tuple[Finding, ...] = ()


def is_about(found: Finding, wanted: Wanted) -> bool:
    """Whether ``found`` says that ``wanted`` is missing."""
    if wanted.path is not None:
        return found.id == "missing" and found.file == wanted.path
    return found.id in _BROKEN_NAMES and found.file == wanted.namer


def look_for(wanted: Wanted, chain: BackingChain, about: list[Finding], around: Around) -> LookedFor:
    """What came of looking for ``wanted`` of ``chain``; ``about``: the findings that say it is missing."""
    candidates = [] if around.searched is None else around.searched.candidates(wanted)
    met = {candidate.identity for candidate in candidates}
    if around.policy.open:  # else nothing is opened because an image names it
        further = not any(each.likely for each in candidates)
        near = beside(wanted, further=further, seconds=around.seconds)
        candidates += [each for each in near if each.identity not in met]
    candidates.sort(key=lambda each: [-value for value in each.rank])
    layer = [*chain.layers][wanted.position]
    good: list[tuple[Candidate, Cure | None]] = []
    for candidate in candidates[:_TRIED]:
        cure = _cure_by(candidate, wanted, layer, around)
        if wanted.part is Part.PARENT or (cure is not None and is_better(chain, around.walk(cure), about)):
            good.append((candidate, cure))
    notes = tuple(
        found_again(redacted(wanted.name), each.path, each.reasons, claimed=each.claimed) for each, _ in good[:SHOWN]
    )
    if not about:
        return LookedFor(notes=notes)
    likely = [(each, cure) for each, cure in good if each.likely]
    if not likely:
        return LookedFor(_with_a_name_to_fill_in(wanted, layer, around), notes=notes)
    best, cure = likely[0]
    equal = sum(each.rank == best.rank for each, _ in likely) + max(0, len(candidates) - _TRIED)
    if equal > 1:
        return LookedFor(said=ambiguous(equal, len(notes)), notes=notes)
    if cure is None or not _is_convincing(best, around) or _is_away(wanted, around.seconds):
        return LookedFor(notes=notes)
    who = None if cure.writes is None else around.open_in(cure.writes)
    return (
        LookedFor(said=held_open(cure.writes or "", who), notes=notes) if who else LookedFor(cure.command, notes=notes)
    )


def _is_convincing(candidate: Candidate, around: Around) -> bool:
    """Whether a command may name a candidate that is likeliest: one found by its name alone is to be where one would look for it."""
    if candidate.known:
        return True
    near = candidate.close or candidate.agreeing >= _SAME_TAIL or around.searched is not None
    return near and (candidate.close or not candidate.claimed)


def _is_away(wanted: Wanted, seconds: float) -> bool:
    """Whether the missing file is surely only out of reach for now."""
    why = _absence(wanted, seconds)
    return why is not None and why.away


def _absence(wanted: Wanted, seconds: float) -> Absence | None:
    path = wanted.path
    if path is None:
        return None
    try:
        return within(seconds, path, lambda: absence(path))
    except (OSError, StorageError):
        return None


def _with_a_name_to_fill_in(wanted: Wanted, layer: Layer, around: Around) -> str | None:
    """The command for a file nobody has found yet. Where its directory is gone as well, it may only be out of reach."""
    why = _absence(wanted, around.seconds)
    cure = None
    if why is not None and why.reason is Reason.FILE and why.empty is None:
        if wanted.part is Part.BACKING:
            cure = commands.rebase(layer, NEW_PATH, wanted.format or FORMAT)
        elif wanted.part is Part.DATA:
            cure = commands.amend_data_file(layer, NEW_PATH)
    if cure is None or (cure.writes is not None and around.open_in(cure.writes)):
        return None
    return cure.command


def _cure_by(candidate: Candidate, wanted: Wanted, layer: Layer, around: Around) -> Cure | None:
    """What puts ``candidate`` in the place of ``wanted``, which ``layer`` names."""
    found, path = candidate.path, wanted.path
    name = as_stored(wanted.namer or "", wanted.stored, found)
    if wanted.part is Part.BACKING:
        cure = commands.rebase(layer, name, wanted.format or candidate.format)
        if cure is not None:
            return cure
    elif wanted.part is Part.DATA:
        cure = commands.amend_data_file(layer, found)
        if cure is not None:
            return cure
    elif wanted.part is Part.DECLARED and layer.source.location != FileLocation(path):
        return None if path is None else commands.link(path, found)  # a data file
    elif wanted.part is Part.DECLARED:
        return commands.declared_elsewhere(around.asked, wanted.position, found, around.tell)
    return commands.link(path, found) if path is not None else commands.renamed(layer, wanted.stored or "", found)
