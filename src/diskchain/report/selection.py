"""Which findings a run shows and which of them count: ``--ignore``, ``--severity`` and ``-v``.

What is shown beside notes decides the exit code, and nothing else does. What only says that something could not be looked at is shown
and counts whatever severity was asked for: nobody knows what lies behind it. Knows nothing of how findings are printed.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from diskchain.findings import KINDS, Finding, Severity

_INFO: Final = Severity.INFO  # in Python 3.11 every look-up of an enum's member costs a call
_ERROR: Final = Severity.ERROR
_RANK: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
#: Notes that are half of an answer, to an error or to what was asked for: they are shown with warnings.
_WITH_WARNINGS: Final = frozenset({"candidate", "no-block-nodes"})
#: The words of ``--severity``; "info" is what JSON calls a note.
WORDS: Final = {"error": Severity.ERROR, "warning": Severity.WARNING, "note": Severity.INFO}


class Selection(NamedTuple):
    """``ignored``: ids that are not shown and do not count. ``least``: neither is what is less severe than this."""

    ignored: frozenset[str] = frozenset()
    least: Severity = Severity.WARNING

    def shows(self, found: Finding) -> bool:
        """Whether ``found`` is to be shown."""
        return found.id not in self.ignored and self.matters(found)

    def matters(self, found: Finding) -> bool:
        """Whether ``found`` is severe enough, ignored or not."""
        rank = _RANK[found.severity]
        if rank == _RANK[Severity.INFO]:
            return self.least is Severity.INFO or (found.id in _WITH_WARNINGS and self.least is Severity.WARNING)
        return rank <= _RANK[self.least] or KINDS[found.id].unknown

    def of(self, findings: Iterable[Finding]) -> list[Finding]:
        """Those to be shown, worst first; of one severity in the order they came."""
        notes = self.least is _INFO  # most findings of many files are notes, which nobody asked for
        shown = [
            each
            for each in findings
            if (each[1] is not _INFO or notes or each[0] in _WITH_WARNINGS) and self.shows(each)
        ]
        return shown if len(shown) <= 1 else sorted(shown, key=severity_rank)

    def counts(self, findings: Iterable[Finding]) -> "Counts":
        """How many there are of each severity, shown or not, but for the ignored."""
        errors = warnings = notes = left_out = 0
        ignored = self.ignored
        for found in findings:
            severity = found[1]
            if found[0] in ignored:
                left_out += 1
            elif severity is _INFO:
                notes += 1
            elif severity is _ERROR:
                errors += 1
            else:
                warnings += 1
        return Counts(errors, warnings, notes, left_out)


#: Errors and warnings.
DEFAULT: Final = Selection()
#: All there is to say: what JSON and SARIF hold unless told otherwise.
EVERYTHING: Final = Selection(least=Severity.INFO)


class Counts:
    """Numbers of findings. ``ignored`` ones are in none of the others. No dataclass: start-up has no time for it."""

    __slots__ = ("errors", "ignored", "notes", "warnings")

    def __init__(self, errors: int = 0, warnings: int = 0, notes: int = 0, ignored: int = 0) -> None:
        self.errors, self.warnings, self.notes, self.ignored = errors, warnings, notes, ignored

    def add(self, other: "Counts") -> None:
        """Count what ``other`` has as well."""
        self.errors += other.errors
        self.warnings += other.warnings
        self.notes += other.notes
        self.ignored += other.ignored


def severity_rank(found: Finding) -> int:
    """0 for an error, the higher the less severe."""
    return _RANK[found.severity]
