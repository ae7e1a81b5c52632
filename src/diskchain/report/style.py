"""Colour and line-drawing for a terminal, and plain text for everything else. Source: ECMA-48 (SGR)."""

from typing import NamedTuple, TextIO


class Style(NamedTuple):
    """How to draw. ``colour``: SGR sequences are welcome. ``unicode``: the stream can encode box characters."""

    colour: bool = False
    unicode: bool = True

    def paint(self, text: str, code: str) -> str:
        """``text`` in an SGR ``code`` ("1" bold, "2" dim, "31" red, "33" yellow, "36" cyan)."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text

    def bold(self, text: str) -> str:
        """What the eye should find first."""
        return self.paint(text, "1")

    def dim(self, text: str) -> str:
        """What only some readers need."""
        return self.paint(text, "2")

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
    """Colour only on a terminal, and never when NO_COLOR is set (no-color.org) or TERM is dumb."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    colour = stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return Style(colour, encoding.startswith("utf"))
