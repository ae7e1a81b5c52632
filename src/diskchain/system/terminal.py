"""What may reach a terminal: the one place where stdout and stderr of the process are made safe.

A file name, an attribute of a document, a string in a header or the text of a server can hold characters that do something to a
terminal (C0, C1 and DEL: ECMA-48), turn text around (bidirectional controls: UAX 9) or cannot be seen (zero width, Unicode's
Default_Ignorable_Code_Point). Messages escape them where they are made (:func:`diskchain.errors.printable`); here nothing raw gets past,
whoever made it. Line breaks and tabs stay, and on a terminal the few sequences that diskchain itself sends. Knows no verb and no value.
"""

import sys
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

from diskchain.errors import printable

if TYPE_CHECKING:  # importing it costs a tenth of the time that `show IMAGE` may take, and most output is plain
    import re

#: A run of anything but plain ASCII, line breaks and tabs.
_SUSPECT: Final = r"[^\n\t -~]+"
#: What `report.style` and the line of progress send: SGR for bold, dim and three colours, CR, and "erase to the end of the line".
_OURS: Final = r"(\x1b\[(?:0|1|2|31;1|31|33|36)m|\x1b\[K|\r)"


def shown(text: str, *, to_terminal: bool = False) -> str:
    """``text`` with every character escaped that does not simply show itself. Non-ASCII letters stay."""
    import re

    parts = re.split(_OURS, text) if to_terminal else [text]
    return "".join(part if number % 2 else re.sub(_SUSPECT, _escaped, part) for number, part in enumerate(parts))


def _escaped(found: "re.Match[str]") -> str:
    return printable(found[0])


def shown_document(document: bytes) -> bytes:
    """An XML document fit for a terminal: what does not show itself as character references, which mean the same to a parser."""
    import re

    text = document.decode("utf-8", "surrogateescape")
    return re.sub(_SUSPECT, _references, text).encode("utf-8", "surrogateescape")


def _references(found: "re.Match[str]") -> str:
    return "".join(_reference(character) for character in found[0])


def _reference(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte, as surrogateescape keeps it
        return printable(character)
    return character if printable(character) == character else f"&#x{ord(character):x};"


def shown_json(text: str) -> str:
    """A JSON text fit for a terminal, with the same meaning: what does not show itself is escaped as JSON does it. Letters stay."""
    import json
    import re

    return re.sub(
        _SUSPECT, lambda found: "".join(c if printable(c) == c else json.dumps(c)[1:-1] for c in found[0]), text
    )


class SafeStream:
    """A text stream that escapes what it is given. All but writing is the stream's own.

    ``buffer`` is the stream's, for documents that go out byte for byte; on a terminal they are escaped, too.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._to_terminal = stream.isatty()
        self._coloured = self._to_terminal

    def let_colours_through(self) -> None:
        """Our own sequences may pass, though it is no terminal: somebody asked for them."""
        self._coloured = True

    def write(self, text: str) -> int:
        """Write it, escaped. Raises OSError."""
        line = text.replace("\n", "") if "\n" in text else text  # a document of many megabytes is mostly plain
        if line.isprintable() and (line.isascii() or printable(line) is line):
            return self._stream.write(text)
        return self._stream.write(shown(text, to_terminal=self._coloured))

    def writelines(self, lines: list[str]) -> None:
        """Each of them, as :meth:`write`."""
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> "Any":
        """Where bytes go."""
        return _SafeBuffer(self._stream.buffer) if self._to_terminal else self._stream.buffer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _SafeBuffer:
    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer

    def write(self, data: bytes) -> int:
        self._buffer.write(shown_document(data))
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._buffer, name)


def guard_output() -> None:
    """Have everything that this process prints from now on go through a :class:`SafeStream`."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, SafeStream):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a letter that the locale does not have is no reason to break off
            setattr(sys, name, cast("TextIO", SafeStream(stream)))
