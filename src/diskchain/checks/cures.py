"""Cures for what is wrong with a chain, each tried in memory before it is said.

For every file that is missing: which files could be it, and, where exactly one is likeliest, the command that puts it in place. A command
stands in a finding only if the chain walked after it is better: the fault is gone, and there is no loop, no base larger than its overlay,
no base with another id than remembered, no new error. None is given that would write to an image that is open, to make a note go away,
or where the missing file is only out of reach for now.

Knows candidates, commands and the walk; must not know documents: whoever has one hands over what changes it. Changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from diskchain.checks import commands
from diskchain.checks.annotate import annotated, rewritten
from diskchain.checks.closer import closer
from diskchain.checks.commands import FORMAT, NEW_PATH, Cure, as_stored
from diskchain.checks.header_cures import header_cures
from diskchain.checks.messages import ambiguous, found_again, held_open
from diskchain.checks.search import Candidate, FileIndex, beside
from diskchain.checks.trials import is_better
from diskchain.checks.wanted import Part, Wanted, wanted_files
from diskchain.discover.chain import BackingChain, Layer
from diskchain.discover.trial import tried
from diskchain.errors import StorageError
from diskchain.findings import Finding, Severity
from diskchain.readers.open import Image
from diskchain.readers.policy import LIBVIRT, OpenPolicy
from diskchain.storage.location import FileLocation, local_path
from diskchain.storage.reference import redacted
from diskchain.storage.source import Source
from diskchain.storage.terms import Format
from diskchain.system.absence import Absence, Reason, absence
from diskchain.system.deadline import DEFAULT_DEADLINE, within

#: Candidates shown for one missing file; more is noise.
SHOWN: Final = 5
#: Candidates tried for one missing file. Each costs a walk.
_TRIED: Final = 50
_BROKEN_NAMES: Final = frozenset(("foreign-reference", "reference-syntax"))
#: Findings that come with a repair by qemu-img; that of the last only adds bytes at the end.
_REPAIRS: Final = frozenset(("dirty", "corrupt", "bitmap-in-use", "raw-size"))
_SAME_TAIL: Final = 2  # components of a path: the name and its directory

#: Who has a file open, in words; None: nobody.
OpenIn = Callable[[str], str | None]
#: The command that tells the document of another path or format of the layer at a position; None: there is none.
Tell = Callable[[int, str | None, Format | None], str | None]


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
    tell: Tell | None = None
    seconds: float = DEFAULT_DEADLINE

    def walk(self, cure: Cure) -> BackingChain | None:
        """The chain after ``cure``; None when storage did not answer."""
        top = cure.top or self.asked
        return tried(cure.change, top, policy=self.policy, elsewhere=self.elsewhere, closer=closer, probe=self.probe)


def with_cures(chain: BackingChain, around: Around) -> BackingChain:
    """``chain`` with a command in each finding that has one, and a note for each file that could be a missing one. Never raises."""
    if all(found.severity is Severity.INFO for found in chain.findings):
        return chain
    cured: dict[Finding, Finding] = {}
    notes: list[tuple[int, Finding]] = []
    for wanted in wanted_files(chain):
        about = [found for found in chain.findings if _is_about(found, wanted)]
        looked = _look_for(wanted, chain, about, around)
        notes += [(wanted.position, note) for note in looked.notes]
        cured |= {found: found._replace(message=found.message + looked.said, fix=looked.fix) for found in about}
    cured |= {found: _with_header_cure(found, cure, chain, around) for found, cure in header_cures(chain)}
    for layer in chain.layers:
        cured |= {
            found: _repaired(found, layer, around) for found in layer.findings if found.id in _REPAIRS and found.fix
        }
    return annotated(rewritten(chain, lambda found: cured.get(found, found)), notes)


def _with_header_cure(found: Finding, cure: Cure | None, chain: BackingChain, around: Around) -> Finding:
    """``found`` with what was tried for it; without a command that would write to an image and was not."""
    if cure is None or not is_better(chain, around.walk(cure), [found]):
        return found._replace(fix=None) if found.fix is not None and "qemu-img" in found.fix else found
    return _unless_open(found, cure.command, cure.writes, around)


def _repaired(found: Finding, layer: Layer, around: Around) -> Finding:
    """``found`` of ``layer`` with the repair that goes with it, and a copy of the image before that."""
    fix = found.fix or ""
    has_copy = found.id == "raw-size" or fix.startswith("cp ")
    kept = fix if has_copy else f"{commands.whole_copy(layer, 'repair')} && {fix}"
    return _unless_open(found, kept, local_path(layer.source.location), around)


def _unless_open(found: Finding, command: str | None, path: str | None, around: Around) -> Finding:
    """``found`` with a ``command`` that writes to ``path``; without, if that is open."""
    who = around.open_in(path) if path is not None and command is not None else None
    if who is None:
        return found._replace(fix=command)
    return found._replace(message=found.message + held_open(path or "", who), fix=None)


@dataclass(frozen=True, slots=True)
class _LookedFor:
    """What came of looking for one file: a command, what to say of it, and the candidates."""

    fix: str | None = None
    said: str = ""
    notes: tuple[Finding, ...] = ()


def _is_about(found: Finding, wanted: Wanted) -> bool:
    if wanted.path is not None:
        return found.id == "missing" and found.file == wanted.path
    return found.id in _BROKEN_NAMES and found.file == wanted.namer


def _look_for(wanted: Wanted, chain: BackingChain, about: list[Finding], around: Around) -> _LookedFor:
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
        return _LookedFor(notes=notes)
    likely = [(each, cure) for each, cure in good if each.likely]
    if not likely:
        return _LookedFor(_with_a_name_to_fill_in(wanted, layer, around), notes=notes)
    best, cure = likely[0]
    equal = sum(each.rank == best.rank for each, _ in likely) + max(0, len(candidates) - _TRIED)
    if equal > 1:
        return _LookedFor(said=ambiguous(equal, len(notes)), notes=notes)
    if cure is None or not _is_convincing(best, around) or _is_away(wanted, around.seconds):
        return _LookedFor(notes=notes)
    who = None if cure.writes is None else around.open_in(cure.writes)
    return (
        _LookedFor(said=held_open(cure.writes or "", who), notes=notes)
        if who
        else _LookedFor(cure.command, notes=notes)
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
        told = None if around.tell is None else around.tell(wanted.position, found, None)
        return commands.declared_elsewhere(around.asked, wanted.position, found, told)
    return commands.link(path, found) if path is not None else commands.renamed(layer, wanted.stored or "", found)
