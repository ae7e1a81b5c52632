"""The mounts this process sees. Knows ``/proc/self/mountinfo`` and nothing else. Source: proc_pid_mountinfo(5)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MOUNTINFO: Final = Path("/proc/self/mountinfo")
#: Columns left and right of the dash.
_POINT: Final = 4
_OPTIONS: Final = 5
_SUPER_OPTIONS: Final = 2
#: Octal escapes for the four characters that would break the table's columns.
_ESCAPES: Final = ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\"))


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount. ``options`` are those of the mount itself, ``super_options`` those of its file system."""

    point: str
    fstype: str
    source: str = ""
    options: frozenset[str] = frozenset()
    super_options: frozenset[str] = frozenset()


def read_mounts(table: Path = _MOUNTINFO) -> dict[int, Mount]:
    """Every mount by its id; empty when the table cannot be read."""
    try:
        text = table.read_text(errors="surrogateescape")
    except OSError:
        return {}
    return parse_mounts(text)


def parse_mounts(text: str) -> dict[int, Mount]:
    """The mounts in the text of a mountinfo table. Lines that make no sense are left out."""
    mounts = {}
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        fields, kinds = left.split(), right.split()
        if not separator or len(fields) <= _OPTIONS or len(kinds) <= _SUPER_OPTIONS or not fields[0].isdigit():
            continue
        mounts[int(fields[0])] = Mount(
            point=_unescape(fields[_POINT]),
            fstype=kinds[0],
            source=_unescape(kinds[1]),
            options=frozenset(fields[_OPTIONS].split(",")),
            super_options=frozenset(kinds[_SUPER_OPTIONS].split(",")),
        )
    return mounts


def _unescape(field: str) -> str:
    for escape, character in _ESCAPES:
        field = field.replace(escape, character)
    return field
