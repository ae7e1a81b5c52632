"""Findings as lines, and what they mean for the exit code."""

from collections.abc import Iterable, Iterator

from diskchain.errors import printable
from diskchain.findings import Finding, Severity, Verdict, verdict
from diskchain.report.exit_codes import CLEAN, COULD_NOT_TELL, FINDINGS
from diskchain.report.style import Style

_COLOURS = {Severity.ERROR: "31;1", Severity.WARNING: "33", Severity.INFO: "36"}

_CODES = {Verdict.CLEAN: CLEAN, Verdict.FINDINGS: FINDINGS, Verdict.COULD_NOT_TELL: COULD_NOT_TELL}


def finding_lines(found: Finding, style: Style) -> Iterator[str]:
    """One line for where and what is wrong, one for the command that fixes it."""
    label = style.paint(f"{found.severity}:", _COLOURS[found.severity])
    line = "" if found.line is None else f"line {found.line}: "
    yield f"{label} {line}{found.message} {style.dim(f'[{found.id}]')}"
    if found.fix:
        yield f"  fix: {printable(found.fix)}"


def shown_lines(findings: Iterable[Finding], style: Style) -> Iterator[str]:
    """The lines of what counts, for verbs whose output is something else: no notes."""
    for found in findings:
        if found.severity is not Severity.INFO:
            yield from finding_lines(found, style)


def code_of(verdict: Verdict) -> int:
    """The exit code of a verdict."""
    return _CODES[verdict]


def exit_code(findings: Iterable[Finding]) -> int:
    """0 clean, 1 something is wrong, 3 nothing is known to be wrong but something could not be told. Notes count for nothing."""
    return _CODES[verdict(findings)]
