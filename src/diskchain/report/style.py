"""Colour, width and line-drawing for a terminal, and plain text for everything else. Source: ECMA-48 (SGR)."""

import os
from typing import NamedTuple, TextIO

#: What ``--color`` said: one for a process, as it is about where its output goes.
_CHOSEN = {"colour": "auto"}


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
    """Colour as ``--color`` has it, else on a terminal alone, and never when TERM is dumb. Only on a terminal lines are wrapped.

    ``environ``: NO_COLOR forbids colour, FORCE_COLOR has it everywhere (no-color.org, force-color.org).
    """
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    colour = _wants_colour(stream, environ)
    if colour and not stream.isatty():
        getattr(stream, "let_colours_through", lambda: None)()
    return Style(colour, encoding.startswith("utf"), _width(stream, environ.get("COLUMNS", "")))


def choose_colour(choice: str) -> None:
    """What ``--color`` says, for this process: ``auto``, ``always`` or ``never``."""
    _CHOSEN["colour"] = choice


def _wants_colour(stream: TextIO, environ: dict[str, str]) -> bool:
    chosen = _CHOSEN["colour"]
    if chosen != "auto":
        return chosen == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return environ["FORCE_COLOR"] not in ("0", "false")
    return stream.isatty() and environ.get("TERM") != "dumb"


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
