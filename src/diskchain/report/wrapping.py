"""Words in lines of a terminal's width. Knows nothing of what they say.

Not textwrap, which imports ``re`` and splits at hyphens: names of files are not to be taken apart where there is room for them.
"""

from collections.abc import Iterable, Iterator

_NARROWEST = 16  # columns; a gutter deeper than the terminal is wide leaves that much


def wrapped(words: Iterable[str], width: int | None, indent: str = "  ") -> Iterator[str]:
    """Lines of at most ``width`` characters; None: one line. ``indent`` stands before all but the first.

    A word that is longer than a line is cut, behind a slash where it has one.
    """
    if width is None:
        yield " ".join(words)
        return
    width = max(width, _NARROWEST)
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > width and line != indent:
            yield line
            line = indent
        line += word if line in ("", indent) else f" {word}"
        while len(line) > width:
            cut = _cut(line, width, indent)
            yield line[:cut]
            line = indent + line[cut:]
    yield line


def _cut(line: str, width: int, indent: str) -> int:
    """Where to cut a line that is one long word: behind the last slash in its second half, else where it is full."""
    slash = line.rfind("/", max(width // 2, len(indent) + 1), width)
    return slash + 1 if slash > 0 else width
