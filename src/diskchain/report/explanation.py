"""Pages of findings for a terminal: the little Markdown that they are written in, as lines."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from diskchain.actions.explain import Explanation
from diskchain.report.findings import mark_of
from diskchain.report.style import Style
from diskchain.report.wrapping import wrapped

_WIDEST: Final = 100  # columns that are easy to read
_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_ITEM: Final = re.compile(r"(\* |\d+\. )")
#: Lines that stay as they are: commands, tables.
_FIXED: Final = re.compile(r"    |\||```")


def kind_lines(kinds: Iterable[Explanation], style: Style) -> Iterator[str]:
    """One line for each kind: id, severity, title."""
    kinds = list(kinds)
    widest = max(len(each.id) for each in kinds)
    for each in kinds:
        yield f"{style.bold(each.id)}{' ' * (widest - len(each.id))}  {mark_of(each.kind.severity, style, 7)}  {each.kind.title}"


def page_lines(page: str, style: Style) -> Iterator[str]:
    """A page: headings stand out, paragraphs are as wide as there is room, commands can be copied."""
    width = None if style.width is None else min(style.width, _WIDEST)
    in_code = False
    for is_fixed, lines in groupby(page.rstrip("\n").split("\n"), lambda line: bool(_FIXED.match(line))):
        if is_fixed or in_code:
            for line in lines:
                in_code ^= line.startswith("```")
                if not line.startswith("```"):
                    yield line if line.startswith("    ") or not in_code else f"    {line}"
            continue
        for paragraph in _paragraphs(lines):
            yield from _shown(paragraph, width, style)


def _paragraphs(lines: Iterable[str]) -> Iterator[list[str]]:
    """Lines that belong together: an empty line, a heading and an item of a list begin another."""
    held: list[str] = []
    for line in lines:
        if held and (not line or line.startswith("#") or _ITEM.match(line) or not held[-1]):
            yield held
            held = []
        held.append(line)
    if held:
        yield held


def _shown(paragraph: list[str], width: int | None, style: Style) -> Iterator[str]:
    first = paragraph[0]
    if first.startswith("#"):
        yield style.bold(_plain(first.lstrip("# ")))
        return
    item = _ITEM.match(first)
    indent = " " * len(item[0]) if item else ""
    if width is None:
        yield from map(_plain, paragraph)
        return
    text = _plain(" ".join(line.strip() for line in paragraph))
    yield from wrapped(text.split(" "), width, indent)


def _plain(text: str) -> str:
    """Without marks that only a browser shows, but for quotes around code."""
    return _LINK.sub(r"\1", text).replace("**", "")
