"""Sums of a map, and who answers for a byte, as lines for a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from diskchain.errors import printable
from diskchain.report.style import Style
from diskchain.units import human_size

if TYPE_CHECKING:
    from diskchain.actions.map import Blame, DiskMap
    from diskchain.allocation.answers import LayerTotals

_BAR: Final = 20
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


def map_lines(found: "DiskMap", totals: "Sequence[LayerTotals]", style: Style) -> Iterator[str]:
    """A disk: a line and a bar for each layer."""
    header = found.map.chain.top.header
    size = "unknown size" if header is None else human_size(header.capacity)
    count = "1 layer" if len(totals) == 1 else f"{len(totals)} layers"
    yield f"{style.bold(printable(found.disk.title))}  {size}, {count}, top first"
    more = [name for name in ("damaged", "unknown") if any(getattr(each, name) for each in totals)]
    rows = [["layer", "answers for", "of it zeros", "hidden", *more, "file"]]
    for name, each in zip(found.layers, totals, strict=True):
        others = [_size(getattr(each, column)) for column in more]
        room = "?" if each.allocated is None else human_size(each.allocated)
        rows.append([printable(name), _size(each.answers), _size(each.zero), _size(each.hidden), *others, room])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    whole = max(1, sum(each.answers + each.empty + each.unknown for each in totals))
    bars = ["", *(bar(each.answers, whole, style) for each in totals)]
    files = ["", *(_file(each.name, name) for name, each in zip(found.layers, totals, strict=True))]
    for number, (row, drawn, file) in enumerate(zip(rows, bars, files, strict=True)):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        line = "  ".join(cells)
        yield ("  " + (style.dim(line) if not number else f"{line}  {drawn}  {style.dim(file)}")).rstrip()
    empty = sum(each.empty for each in totals)
    if empty:
        yield f"  {human_size(empty)} are in no layer: the guest reads zeros there"


def _file(path: str, name: str) -> str:
    """The name of the file, where that of the layer does not say it."""
    return "" if name.startswith(path) else printable(path.rpartition("/")[2])


def _size(number: int) -> str:
    return human_size(number) if number else "-"


def bar(part: int, whole: int, style: Style) -> str:
    """``part`` of ``whole`` as a bar of a fixed width; what is not nothing is seen."""
    eighths = min(_BAR * 8, -(-part * _BAR * 8 // whole))
    if not style.unicode:
        return ("#" * -(-eighths // 8)).ljust(_BAR, ".")
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(_BAR)


def blame_lines(answers: "Iterable[Blame]", style: Style) -> Iterator[str]:
    """A line for each stretch: which layer, where in its file, since when."""
    for each in answers:
        run = each.run
        yield f"{run.start:#x}-{run.end:#x}  {style.bold(printable(each.layer))}  {_holds(each)}{_when(each)}"


def _holds(answer: "Blame") -> str:
    run, file = answer.run, printable(answer.file)
    if run.unknown:
        return "nobody can tell: its tables, or what is below it, cannot be read"
    if run.damaged:
        return f"{file}: its table is damaged there, and reading fails"
    if not run.present:
        return "zeros: no layer answers for it"
    place = "" if run.offset is None else f" at {run.offset:#x}"
    if run.zero and not run.data:
        return f"zeros, says {file}"
    if run.zero:
        return f"zeros, in a hole of {file}{place}"
    return f"{file}{place}{', compressed' if run.compressed else ''}"


def _when(answer: "Blame") -> str:
    if answer.since is None or not answer.run.present:
        return ""
    until = "" if answer.until is None else f" and before {_time(answer.until)}"
    return f"  written after {_time(answer.since)}{until}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")
