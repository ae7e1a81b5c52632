"""Answers of a catalogue, for a terminal: what relies on a file, what nothing needs, what a change would break, and how far that goes."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from diskchain.actions.catalogue import Dependents, WhatIf
from diskchain.catalogue.coverage import Coverage, Root
from diskchain.catalogue.dependents import CataloguedFile
from diskchain.catalogue.load import LoadedRoot
from diskchain.catalogue.unreferenced import Unneeded
from diskchain.errors import printable
from diskchain.report.style import Style
from diskchain.units import human_size

_RED = "31;1"
_YELLOW = "33"


def dependents_lines(found: Dependents, style: Style) -> Iterator[str]:
    """What relies on a target: a line a file, further in the further it is above, with the domains that need it."""
    one = len(found.coverage.hosts) == 1
    for file in found.files:
        yield style.bold(printable(file.path)) + _said(file, one_host=one)
    for each in found.above:
        yield f"{'  ' * min(each.depth, 20)}{printable(each.path)}{_said(each, one_host=one)}"
    more = found.count - len(found.above)
    if more > 0:
        yield f"  … and {more:,} more (--all)"
    names = found.domains
    domains = "no domain" if not names else f"{len(names)} domain{'s' if len(names) > 1 else ''}"
    relies = (
        "nothing relies on it" if not found.count else f"{found.count:,} file{'s' if found.count > 1 else ''} above it"
    )
    yield f"{relies}; needed by {domains}"
    yield from coverage_lines(found.coverage, style)


def unreferenced_lines(found: Sequence[Unneeded], coverage: Coverage, style: Style) -> Iterator[str]:
    """What nothing is known to need, largest first; why it may be needed all the same, said once for all files it holds for."""
    reasons: dict[tuple[str, ...], int] = {}
    one = len(coverage.hosts) == 1
    for each in found:
        mark = ""
        if each.unknown:
            mark = f"  unknown ({reasons.setdefault(each.unknown, len(reasons) + 1)})"
        size = human_size(each.file.allocated or 0)
        yield f"{size:>10}  {printable(each.file.path)}{_on(each.file, one_host=one)}{style.paint(mark, _YELLOW)}"
    sure = [each for each in found if not each.unknown]
    free = human_size(sum(each.file.allocated or 0 for each in sure))
    yield f"{len(sure):,} unreferenced, {free}" + (f"; {len(found) - len(sure):,} unknown" if reasons else "")
    for why, number in reasons.items():
        yield f"  ({number}) {'; '.join(map(printable, why))}"
    yield from coverage_lines(coverage, style)


def what_if_lines(found: WhatIf, style: Style) -> Iterator[str]:
    """What becomes invalid, then what has to name another file."""
    one = len(found.coverage.hosts) == 1
    for effect, colour, title in (
        ("invalid", _RED, "becomes invalid"),
        ("re-point", _YELLOW, "has to name the new file"),
    ):
        for each in [each for each in found.consequences if each.effect == effect]:
            yield f"{style.paint(title, colour)}: {printable(each.file.path)}{_said(each.file, one_host=one)}: {each.why}"
    invalid = sum(each.effect == "invalid" for each in found.consequences)
    others = len(found.consequences) - invalid
    what = {"delete": "deleting", "commit": "committing", "move": "moving"}[found.what]
    yield f"{what} {printable(found.file.path)}: {_files(invalid, 'become')} invalid, {_files(others, 'have')} to name another"
    yield from coverage_lines(found.coverage, style)


def loaded_line(loaded: LoadedRoot) -> str:
    """What became of one root."""
    where = f"{printable(loaded.root.path)} on {printable(loaded.host.name)}: {loaded.root.state}"
    if loaded.merged is None:
        return f"{where}, {loaded.domains} domain{'' if loaded.domains == 1 else 's'}"
    merged = loaded.merged
    return f"{where}, {merged.files:,} files, {merged.changed:,} with changed references, {merged.gone:,} gone"


def status_lines(found: Coverage, style: Style) -> Iterator[str]:
    """Every place that was scanned: how its last scan ended, and when its last complete one began."""
    for root in found.roots:
        complete = "never seen whole" if root.complete is None else _time(root.complete)
        state = root.state if root.state == "complete" else style.paint(root.state, _YELLOW)
        shard = f" part {root.shard}" if root.shard else ""
        yield f"{printable(root.host)}  {printable(root.path)}{shard}  {state}  {complete}"
    yield from coverage_lines(found, style)


def coverage_lines(found: Coverage, style: Style) -> Iterator[str]:
    """How far an answer goes: what was looked at and when, and each place that was not."""
    hosts = len(found.hosts)
    if not found.roots:
        yield style.paint("nothing was scanned", _YELLOW)
        return
    oldest = "" if found.oldest is None else f", the oldest {_time(found.oldest)}"
    places = (
        f"{len(found.roots)} place{'' if len(found.roots) == 1 else 's'} on {hosts} host{'' if hosts == 1 else 's'}"
    )
    yield style.dim(f"looked at: {places}{oldest}")
    for root in found.missing:
        yield style.paint(f"not seen whole: {_where(root)}", _YELLOW)
    if found.silent:
        yield style.paint(f"domains not looked at: {', '.join(map(printable, found.silent))}", _YELLOW)


def _files(number: int, verb: str) -> str:
    """``no file becomes``, ``1 file has``, ``3 files become``: the verb is given as it follows several."""
    alone = {"become": "becomes", "have": "has"}[verb]
    if number > 1:
        return f"{number:,} files {verb}"
    return f"{'1' if number else 'no'} file {alone}"


def _where(root: Root) -> str:
    part = f", part {root.shard}" if root.shard else ""
    refused = f", {root.refused} could not be read" if root.refused else ""
    return f"{printable(root.path)} on {printable(root.host)}{part} ({root.state}{refused})"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _on(file: CataloguedFile, *, one_host: bool) -> str:
    hosts = sorted({each.host for each in file.places})
    if not hosts or one_host:
        return ""
    more = f" and {len(hosts) - 1} more" if len(hosts) > 1 else ""
    return f"  on {printable(hosts[0])}{more}"


def _said(file: CataloguedFile, *, one_host: bool) -> str:
    """Where a file is and who needs it."""
    uses = [f"{printable(use.domain)} {printable(use.target)}{_origin(use.origin)}" for use in file.domains]
    said = _on(file, one_host=one_host)
    if uses:
        said += "  " + ", ".join(dict.fromkeys(uses))
    return said if file.scanned else said + "  (not scanned)"


def _origin(origin: str) -> str:
    return "" if origin in ("live", "inactive") else f" ({printable(origin)})"
