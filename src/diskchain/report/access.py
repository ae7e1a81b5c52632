"""Judgements as lines for a terminal, and what they mean for the exit code."""

from collections.abc import Iterable, Iterator

from diskchain.access.actor import Actor, Origin
from diskchain.access.by_kernel import describe_owner
from diskchain.access.judge import FileAccess, Verdict
from diskchain.errors import printable
from diskchain.report.exit_codes import CLEAN, COULD_NOT_TELL, FINDINGS
from diskchain.report.style import Style
from diskchain.storage.location import describe_location

_COLOURS = {Verdict.ALLOWED: "32", Verdict.DENIED: "31;1", Verdict.UNKNOWN: "33", Verdict.ELSEWHERE: "2"}


def access_code(accesses: Iterable[FileAccess], *, complete: bool) -> int:
    """1 when anything is denied, else 3 when anything cannot be told, else 0."""
    verdicts = {access.verdict for access in accesses}
    if Verdict.DENIED in verdicts:
        return FINDINGS
    return COULD_NOT_TELL if Verdict.UNKNOWN in verdicts or not complete else CLEAN


def access_lines(accesses: Iterable[FileAccess], style: Style) -> Iterator[str]:
    """One line for each file: what it is, needed, present, verdict; below it the first thing in the way and the rest."""
    shown = list(accesses)
    names = [printable(describe_location(access.need.source.location)) for access in shown]
    width = max(map(len, names), default=0)
    for name, access in zip(names, shown, strict=True):
        need = access.need
        verdict = style.paint(str(access.verdict), _COLOURS[access.verdict])
        yield f"{name.ljust(width)}  {need.role:<12}  {need.access:<10}  {_present(access):<30}  {verdict}"
        if access.opened:
            yield "    the process has it open"
        first = access.first
        if first is None:
            continue
        yield f"    why: {printable(need.because)}"
        yield f"    first: {printable(first.reason)}"
        yield from (f"    then: {printable(rest.reason)}" for rest in access.hindrances if rest is not first)
        yield from _cures(access)


def _cures(access: FileAccess) -> Iterator[str]:
    """All that has to be done about one file as one command, and what no command here does."""
    known = [hindrance for hindrance in access.hindrances if not hindrance.unknown]
    commands = dict.fromkeys(hindrance.command for hindrance in known if hindrance.command)
    if commands:
        yield f"    fix: {printable(' && '.join(commands))}"
    advice = dict.fromkeys(hindrance.advice for hindrance in access.hindrances if hindrance.advice)
    yield from (f"    advice: {printable(each)}" for each in advice)


def access_title(name: str, operation: str, actor: Actor) -> str:
    """What is asked: of which disk, what for, whose access, and where that is known from."""
    where = f" ({printable(actor.where)})" if actor.origin is not Origin.ASKED else ""
    return f"{printable(name)}: {operation} by {printable(str(actor.identity))}{where}"


def _present(access: FileAccess) -> str:
    file = access.present.facts.file if access.present is not None else None
    return "-" if file is None else describe_owner(file)
