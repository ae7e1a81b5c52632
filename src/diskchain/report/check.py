"""The reports of ``diskchain check`` as lines for a terminal, and what they come to."""

from collections.abc import Iterable, Iterator

from diskchain.actions.check import TargetReport
from diskchain.actions.walked import Walked
from diskchain.errors import printable
from diskchain.findings import Severity
from diskchain.report.exit_codes import CLEAN, COULD_NOT_TELL, FINDINGS, OF_FAULT
from diskchain.report.findings import exit_code, finding_lines
from diskchain.report.style import Style


def report_lines(report: TargetReport, style: Style) -> Iterator[str]:
    """The lines of one target: how many findings that count, then all of them."""
    if report.walked is not None:
        yield f"{style.bold(printable(report.name))}: {walked_words(report.walked)}"
        for found in report.findings:
            for line in finding_lines(found, style):
                yield f"  {line}"
        return
    worst = sum(found.severity is not Severity.INFO for found in report.findings)
    said = "clean" if not worst else f"{worst} finding{'s' if worst > 1 else ''}"
    yield f"{style.bold(printable(report.name))}: {said}"
    for found in report.findings:
        for line in finding_lines(found, style):
            yield f"  {line}"


def walked_words(walked: Walked) -> str:
    """What is below a directory, and what was passed over."""
    met = [f"{walked.images} image{_s(walked.images)}", f"{walked.documents} document{_s(walked.documents)}"]
    if walked.unread:
        met.append(
            f"{walked.unread} that could not be read" if walked.unread > 1 else "1 directory that could not be read"
        )
    passed = [f"{count} {what if count > 1 else what.removesuffix('s')}" for what, count in walked.passed_over.items()]
    return ", ".join(met) + (f"; passed over: {', '.join(passed)}" if passed else "")


def _s(count: int) -> str:
    return "" if count == 1 else "s"


class CheckCode:
    """The exit code of many reports, counted while they are printed.

    1 when something is wrong with a target that could be read; else what the target that could not be read would give by itself.
    """

    def __init__(self) -> None:
        self.code = CLEAN

    def counting(self, reports: Iterable[TargetReport]) -> Iterator[TargetReport]:
        """The same reports."""
        rank = {CLEAN: 0, COULD_NOT_TELL: 1, FINDINGS: 3}
        for each in reports:
            code = _code(each)
            self.code = max(self.code, code, key=lambda one: rank.get(one, 2))
            yield each


def _code(report: TargetReport) -> int:
    return exit_code(report.findings) if report.error is None else OF_FAULT[report.error.fault]
