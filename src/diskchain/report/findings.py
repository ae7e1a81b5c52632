"""Findings as lines, and what they mean for the exit code."""

from collections.abc import Iterable, Iterator

from diskchain.errors import printable
from diskchain.findings import KINDS, Finding, Severity
from diskchain.report.exit_codes import CLEAN, COULD_NOT_TELL, FINDINGS, USAGE
from diskchain.report.style import Style

_COLOURS = {Severity.ERROR: "31;1", Severity.WARNING: "33", Severity.INFO: "36"}

__all__ = ["CLEAN", "COULD_NOT_TELL", "FINDINGS", "USAGE", "exit_code", "finding_lines"]


def finding_lines(found: Finding, style: Style) -> Iterator[str]:
    """One line for where and what is wrong, one for the command that fixes it."""
    label = style.paint(f"{found.severity}:", _COLOURS[found.severity])
    line = "" if found.line is None else f"line {found.line}: "
    yield f"{label} {line}{found.message} {style.dim(f'[{found.id}]')}"
    if found.fix:
        yield f"  fix: {printable(found.fix)}"


def exit_code(findings: Iterable[Finding]) -> int:
    """0 clean, 1 something is wrong, 3 nothing is known to be wrong but something could not be told. Notes count for nothing."""
    unknown = False
    for found in findings:
        if found.severity is Severity.INFO:
            continue
        kind = KINDS.get(found.id)
        if kind is None or not kind.unknown:
            return FINDINGS
        unknown = True
    return COULD_NOT_TELL if unknown else CLEAN
