"""Three views of a chain as lines for a terminal."""

from collections.abc import Iterator, Sequence

from diskchain.actions.diff import Difference
from diskchain.checks.compare import End, Row, Seen
from diskchain.errors import printable
from diskchain.findings import Finding
from diskchain.report.findings import finding_lines
from diskchain.report.style import Style
from diskchain.storage.location import describe_location

_ENDS = {"end": "the chain ends", "unknown": "not known", "absent": "no such disk"}


def all_difference_lines(found: Difference, style: Style) -> Iterator[str]:
    """The lines of ``diskchain diff``: what is said of the document as a whole, then disk by disk."""
    for each in found.said:
        yield from finding_lines(each, style, each.layer or each.disk or "")
    for disk in found.disks:
        yield from difference_lines(disk.name, disk.rows, disk.findings, style, live=found.live)


def difference_lines(
    title: str, rows: Sequence[Row], findings: tuple[Finding, ...], style: Style, *, live: bool
) -> Iterator[str]:
    """The lines of ``diskchain diff`` for one disk. ``findings``: of its headers. ``live``: there is a running domain to compare with."""
    differing = sum(not row.agree for row in rows)
    verdict = (
        "every view agrees" if not differing else style.paint(f"{differing} of {len(rows)} positions differ", "33")
    )
    yield f"{style.bold(printable(title))}  {verdict}"
    for row in rows:
        elbow = style.elbow if row is rows[-1] else style.tee
        bar = "   " if row is rows[-1] else style.bar
        if row.agree:
            views = [view for view in (row.document, row.headers, row.running) if view is not None]
            yield f"{elbow}[{row.position}] {_shown(views[0])}"
            continue
        yield f"{elbow}[{row.position}] {style.paint('differs', '33')}"
        yield f"{bar}document: {_shown(row.document)}"
        yield f"{bar}headers:  {_shown(row.headers)}"
        if live:
            yield f"{bar}running:  {_shown(row.running)}"
        if row.document != "absent":
            yield f"{bar}at the next start libvirt believes the {row.next_start}"
    for found in findings:
        yield from finding_lines(found, style, found.layer or "")


def _shown(view: Seen | End | None) -> str:
    if view is None:
        return "says nothing"
    if isinstance(view, str):
        return _ENDS[view]
    data = f", data in {printable(describe_location(view.data))}" if view.data is not None else ""
    return f"{printable(describe_location(view.location))}  {view.format or 'format unknown'}{data}"
