"""libvirt's configuration files, such as qemu.conf: names and values as libvirt reads them. Pure.

Knows the syntax and nothing of what the names mean. Source: libvirt ``src/util/virconf.c`` (9.0.0 to 11.3.0); the tests ask
libvirt's own parser.
"""

import re
from dataclasses import dataclass
from typing import Final

from diskchain.errors import ParseError

#: The file as Debian ships it has 36 KiB; libvirt reads 1 MiB at most (``MAX_CONFIG_FILE_SIZE``).
LARGEST: Final = 1 << 20
_BLANKS: Final = re.compile(r"[ \t]*")
_BLANKS_AND_LINES: Final = re.compile(r"[ \t\r\n]*")
_LINE_END: Final = re.compile(r"[\r\n]+")
_COMMENT: Final = re.compile(r"#[^\r\n]*")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_NUMBER: Final = re.compile(r"[-+]?[0-9]+")
_MULTILINE: Final = '"""'
_HALF: Final = 1 << 63  # numbers are 64 bits wide, and wrap
_MOST_DIGITS: Final = 4000  # what Python turns into a number without complaint
_DEEPEST: Final = 64

Value = int | str | tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """One assignment. ``line`` counts from 1."""

    name: str
    value: Value
    line: int


def parse_settings(text: str) -> dict[str, Setting]:
    """The settings of a file by name; of two with one name, libvirt goes by the first. Raises ParseError with the line."""
    if len(text) > LARGEST:
        raise ParseError(f"the file is larger than {LARGEST} bytes")
    return _Reader(text).settings()


class _Reader:
    """Reads from left to right; ``_at`` is the next character."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def settings(self) -> dict[str, Setting]:
        found: dict[str, Setting] = {}
        while self._at < len(self._text):
            self._skip(_BLANKS_AND_LINES)
            if not self._skip(_COMMENT):
                setting = self._setting()
                found.setdefault(setting.name, setting)
            self._separator()
        return found

    def _separator(self) -> None:
        self._skip(_BLANKS)
        if not self._skip(_LINE_END) and not self._take(";") and self._at < len(self._text):
            raise self._error("expecting a separator")
        self._skip(_BLANKS_AND_LINES)

    def _setting(self) -> Setting:
        line = self._line()
        name = self._skip(_NAME)
        if not name:
            raise self._error("expecting a name")
        self._skip(_BLANKS)
        if not self._take("="):
            raise self._error("expecting an assignment")
        value = self._value()
        self._skip(_BLANKS)
        self._skip(_COMMENT)
        return Setting(name, value, line)

    def _value(self) -> Value:
        self._skip(_BLANKS)
        if self._take("["):
            self._depth += 1
            if self._depth > _DEEPEST:
                raise self._error("lists within lists")
            found = self._list()
            self._depth -= 1
            return found
        return self._scalar()

    def _list(self) -> Value:
        found: list[Value] = []
        self._skip(_BLANKS_AND_LINES)
        while not self._take("]"):
            if found:
                if not self._take(","):
                    raise self._error("expecting a separator in list")
                self._skip(_BLANKS_AND_LINES)
                if self._take("]"):
                    break
            found.append(self._value())
            self._skip(_BLANKS_AND_LINES)
        return tuple(found)

    def _scalar(self) -> int | str:
        # libvirt looks for three quotes where seven characters are left, the closing ones among them.
        quotes = (_MULTILINE, '"', "'") if self._at + 2 * len(_MULTILINE) < len(self._text) else ('"', "'")
        for quote in quotes:
            if self._take(quote):
                return self._string(quote)
        number = self._skip(_NUMBER)
        if not number:
            raise self._error("expecting a value")
        return (int(number) + _HALF) % (2 * _HALF) - _HALF if len(number) <= _MOST_DIGITS else 0

    def _string(self, quote: str) -> str:
        end = self._text.find(quote, self._at)
        if end < 0:
            raise self._error("unterminated string")
        text = self._text[self._at : end]
        if quote != _MULTILINE and ("\n" in text or "\r" in text):
            raise self._error("unterminated string")
        self._at = end + len(quote)
        return text

    def _skip(self, what: re.Pattern[str]) -> str:
        match = what.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _take(self, what: str) -> bool:
        if not self._text.startswith(what, self._at):
            return False
        self._at += len(what)
        return True

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _error(self, what: str) -> ParseError:
        return ParseError(what, line=self._line())
