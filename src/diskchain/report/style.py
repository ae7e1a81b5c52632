"""Colour, width and line-drawing for a terminal, and plain text for everything else. Source: ECMA-48 (SGR)."""

import os
from typing import NamedTuple, TextIO


class Style(NamedTuple):
    """How to draw. ``colour``: SGR sequences are welcome. ``unicode``: the stream can encode box characters.

    ``width``: columns there are for a line; None: lines are not wrapped.
    """

    colour: bool = False
    unicode: bool = True
    width: int | None = None

    def paint(self, text: str, code: str) -> str:
        """``text`` in an SGR ``code`` ("1" bold, "2" dim, "31" red, "33" yellow, "36" cyan)."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text

    def bold(self, text: str) -> str:
        """What the eye should find first."""
        return self.paint(text, "1")

    def dim(self, text: str) -> str:
        """What only some readers need."""
        return self.paint(text, "2")

    def narrower(self, columns: int) -> "Style":
        """The same beside so many columns of something else."""
        return self if self.width is None else self._replace(width=self.width - columns)

    @property
    def tee(self) -> str:
        """A branch of a tree."""
        return "├─ " if self.unicode else "|- "

    @property
    def elbow(self) -> str:
        """The last branch of a tree."""
        return "└─ " if self.unicode else "`- "

    @property
    def bar(self) -> str:
        """The trunk beside a branch."""
        return "│  " if self.unicode else "|  "


def style_of(stream: TextIO, *, environ: dict[str, str]) -> Style:
    """Colour only on a terminal, and never when NO_COLOR is set (no-color.org) or TERM is dumb. Only there lines are wrapped, too."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    colour = stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return Style(colour, encoding.startswith("utf"), _width(stream, environ.get("COLUMNS", "")))


def _width(stream: TextIO, columns: str) -> int | None:
    """How wide a terminal is; COLUMNS goes before what it says itself, as in POSIX. None where it is none: lines are for programs."""
    if not stream.isatty():
        return None
    if columns.isascii() and columns.isdigit() and int(columns[:6]) > 0:
        return int(columns[:6])
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError, AttributeError):
        return None
