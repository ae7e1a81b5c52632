"""The reports of ``diskchain check`` as lines for a terminal, and what they come to."""

from collections.abc import Iterable, Iterator

from diskchain.actions.check import TargetReport
from diskchain.actions.walked import Walked
from diskchain.errors import printable
from diskchain.findings import Finding, Severity
from diskchain.report.exit_codes import CLEAN, COULD_NOT_TELL, FINDINGS, OF_FAULT
from diskchain.report.findings import counted, exit_code, finding_lines, number_of
from diskchain.report.selection import Counts, Selection, severity_rank
from diskchain.report.style import Style
from diskchain.report.wrapping import wrapped

_SCREEN = 24  # lines; what is further up has to be found again
_NAMED = 5  # targets in a line that lists them


class CheckScreen:
    """Reports as lines, as they come. What several targets come to is said at the end, and clean ones are but counted there.

    ``host``: the URI whose domains are the targets; what is said of it as a whole comes under its name, and is no target.
    ``only``: the name of the only target, which is named if it is clean; if it is no directory, its line is all it comes to.
    """

    def __init__(self, selection: Selection, style: Style, *, host: str | None = None, only: str | None = None) -> None:
        self._selection, self._style = selection, style
        self.host = host
        self._only = only if host is None else None
        self._least = selection.least
        self._total = Counts()
        self._targets = 0
        self._lines = 0
        self._with_errors: list[str] = []
        self._worst: str | None = None

    def lines(self, report: TargetReport) -> Iterator[str]:
        """What is wrong with a target, worst first, below what it comes to."""
        counts = self._selection.counts(report.findings)
        self._total.add(counts)
        is_target = report.walked is None and (self.host is None or report.name != self.host)
        self._targets += is_target
        if counts.errors:
            self._with_errors.append(report.name)
            if self._worst is None:
                self._worst = next((each.id for each in report.findings if self._is_error(each)), None)
        if report.walked is not None:
            self._only = None
        shown = self._selection.of(report.findings)
        if shown or report.walked is not None or (is_target and (self._only or self._least is Severity.INFO)):
            said = counted(counts, self._style, self._least) if report.walked is None else walked_words(report.walked)
            yield from self._counting(f"{self._style.bold(printable(report.name))}: {said}")
        for found in shown:
            for line in finding_lines(
                found, self._style.narrower(2), self._place(report.name, found.disk, found.layer)
            ):
                yield from self._counting(f"  {line}")

    def closing_lines(self) -> Iterator[str]:
        """What all targets come to; the only one has said so itself. After an error, where to read on."""
        see = "" if self._worst is None else f"see diskchain explain {self._worst}"
        if self._only is not None:
            if see:
                yield self._style.dim(see)
            return
        if self._with_errors and self._lines > _SCREEN:
            left = len(self._with_errors) - _NAMED
            named = ", ".join(map(printable, self._with_errors[:_NAMED]))
            words = f"errors in {named}{f' and {left:,} more' if left > 0 else ''}"
            yield from wrapped(words.split(" "), self._style.width)
        said = counted(self._total, self._style, self._least)
        where = number_of(self._targets, "file" if self.host is None else "domain")
        yield f"{said} in {where}" + (self._style.dim(f"; {see}") if see else "")

    def _is_error(self, found: Finding) -> bool:
        return found.severity is Severity.ERROR and self._selection.shows(found)

    def _counting(self, line: str) -> Iterator[str]:
        self._lines += 1
        yield line

    def _place(self, target: str, disk: str | None, layer: str | None) -> str:
        """The disk or layer within its target."""
        place = layer or disk or ""
        return place.removeprefix(target) if place.startswith(f"{target}[") else place


def worst_first(reports: Iterable[TargetReport], selection: Selection) -> list[TargetReport]:
    """The reports, those with errors first; of one kind in the order they came."""
    return sorted(reports, key=lambda each: min(map(severity_rank, selection.of(each.findings)), default=9))


def walked_words(walked: Walked) -> str:
    """What is below a directory, and what was passed over."""
    met = [number_of(walked.images, "image"), number_of(walked.documents, "document")]
    if walked.unread:
        met.append(
            f"{walked.unread:,} that could not be read" if walked.unread > 1 else "1 directory that could not be read"
        )
    passed = [
        f"{count:,} {what if count > 1 else what.removesuffix('s')}" for what, count in walked.passed_over.items()
    ]
    return ", ".join(met) + (f"; passed over: {', '.join(passed)}" if passed else "")


class CheckCode:
    """The exit code of many reports, counted while they are printed.

    1 when something is wrong with a target that could be read; else what the target that could not be read would give by itself.
    Only findings that ``selection`` shows count.
    """

    def __init__(self, selection: Selection) -> None:
        self.code = CLEAN
        self._selection = selection

    def counting(self, reports: Iterable[TargetReport]) -> Iterator[TargetReport]:
        """The same reports."""
        rank = {CLEAN: 0, COULD_NOT_TELL: 1, FINDINGS: 3}
        for each in reports:
            code = self._code(each)
            if code is not CLEAN:
                self.code = max(self.code, code, key=lambda one: rank.get(one, 2))
            yield each

    def _code(self, report: TargetReport) -> int:
        shown = self._selection.of(report.findings)
        if not shown:
            return CLEAN
        if report.error is not None:
            return OF_FAULT[report.error.fault]
        return exit_code(shown)
