"""Findings as lines, and what they mean for the exit code."""

from collections.abc import Iterable, Iterator
from typing import Final

from diskchain.errors import printable
from diskchain.findings import Finding, Severity, Verdict, verdict
from diskchain.report.exit_codes import CLEAN, COULD_NOT_TELL, FINDINGS
from diskchain.report.selection import DEFAULT, Counts, Selection
from diskchain.report.style import Style
from diskchain.report.wrapping import wrapped

#: What a severity is called and its colour. "info" is for programs.
_LABELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_COLOURS: Final = {Severity.ERROR: "31;1", Severity.WARNING: "33", Severity.INFO: "36"}

_CODES: Final = {Verdict.CLEAN: CLEAN, Verdict.FINDINGS: FINDINGS, Verdict.COULD_NOT_TELL: COULD_NOT_TELL}


def finding_lines(found: Finding, style: Style, place: str = "") -> Iterator[str]:
    """Where and what is wrong, wrapped; then the command that fixes it in one line, however long: so that it can be copied."""
    yield from message_lines(found, style, place)
    if found.fix:
        yield f"  {fix_line(found)}"


def message_lines(found: Finding, style: Style, place: str = "", message: str | None = None) -> Iterator[str]:
    """A finding without its command. ``place``: what it is about, in front of the ``message``; None: its own."""
    label, id = f"{_LABELS[found.severity]}:", f"[{found.id}]"
    at = ", ".join(filter(None, (printable(place), "" if found.line is None else f"line {found.line}")))
    text = found.message if message is None else message
    if place:
        text = _without_disk(text, found.disk)
    words = [label, *(f"{at}:".split(" ") if at else ()), *text.split(" "), id]
    lines = list(wrapped(words, style.width))
    lines[0] = marked(found.severity, label, style) + lines[0].removeprefix(label)
    if lines[-1].endswith(id):
        lines[-1] = lines[-1].removesuffix(id) + style.dim(id)
    yield from lines


def _without_disk(message: str, disk: str | None) -> str:
    """A message that begins with its disk, ``disk vda: …`` or ``disk vda, 2 below the top: …``, without that."""
    begins = f"disk {printable(disk or '')}"
    who, colon, rest = message.removeprefix(begins).partition(": ")
    is_so = disk and colon and message.startswith(begins) and (not who or who.endswith(" below the top"))
    return rest if is_so else message


def fix_line(found: Finding) -> str:
    """The command that fixes it."""
    return f"fix: {printable(found.fix or '')}"


def marked(severity: Severity, text: str, style: Style) -> str:
    """``text`` in the colour of a severity."""
    return style.paint(text, _COLOURS[severity])


def mark_of(severity: Severity, style: Style, width: int = 0) -> str:
    """What a severity is called, in its colour and so many columns."""
    label = _LABELS[severity]
    return marked(severity, label, style) + " " * (width - len(label))


def mark(findings: Iterable[Finding], style: Style) -> str:
    """What the worst of ``findings`` is called, in its colour; nothing where there are none."""
    severities = {found.severity for found in findings}
    worst = next((each for each in _LABELS if each in severities), None)
    return "" if worst is None else marked(worst, _LABELS[worst], style)


def counted(counts: Counts, style: Style, least: Severity) -> str:
    """``3 errors, 12 warnings, 24 notes (-v), 2 ignored``; without errors and warnings it begins with ``clean``.

    ``least``: what is less severe was not shown; how to see it stands behind its number.
    """
    parts = []
    if counts.errors:
        parts.append(marked(Severity.ERROR, number_of(counts.errors, "error"), style))
    if counts.warnings:
        hidden = " (--severity)" if least is Severity.ERROR else ""
        parts.append(marked(Severity.WARNING, number_of(counts.warnings, "warning"), style) + hidden)
    if not parts:
        parts.append("clean")
    if counts.notes:
        parts.append(number_of(counts.notes, "note") + ("" if least is Severity.INFO else " (-v)"))
    if counts.ignored:
        parts.append(f"{counts.ignored:,} ignored")
    return ", ".join(parts)


def number_of(number: int, thing: str) -> str:
    """``1 file``, ``1,961 files``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def shown_lines(findings: Iterable[Finding], style: Style, selection: Selection = DEFAULT) -> Iterator[str]:
    """The lines of what is to be shown, for verbs whose output is something else."""
    for found in findings:
        if selection.shows(found):
            yield from finding_lines(found, style, found.layer or found.disk or "")


def code_of(verdict: Verdict) -> int:
    """The exit code of a verdict."""
    return _CODES[verdict]


def exit_code(findings: Iterable[Finding]) -> int:
    """0 clean, 1 something is wrong, 3 nothing is known to be wrong but something could not be told. Notes count for nothing."""
    return _CODES[verdict(findings)]
