"""What is wrong with the tables of one image: each kind counted, its first places remembered. Values and words; reads nothing.

A table comes from outside: it may point anywhere. What cannot be believed is a problem here, and the map is complete elsewhere.
"""

from typing import Final

from diskchain.findings import Finding, Severity, finding

#: Places that a message names; the others are counted.
_SHOWN: Final = 3


class _Seen:
    __slots__ = ("count", "places")

    def __init__(self) -> None:
        self.count = 0
        self.places: list[str] = []


class Problems:
    """Collects what is wrong with the tables of ``name``."""

    __slots__ = ("_seen", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._seen: dict[tuple[str, str, Severity | None], _Seen] = {}

    def note(
        self,
        what: str,
        *,
        places: tuple[str, ...] = (),
        count: int = 1,
        id: str = "damaged-table",
        severity: Severity | None = None,
    ) -> None:
        """Say that ``what`` is so ``count`` times, first at ``places``."""
        if count <= 0:
            return
        seen = self._seen.setdefault((id, what, severity), _Seen())
        seen.count += count
        seen.places += places[: _SHOWN - len(seen.places)]

    def __bool__(self) -> bool:
        return bool(self._seen)

    def findings(self) -> list[Finding]:
        """What was noted, as findings about the file."""
        return [
            finding(id, _sentence(self.name, what, seen), file=self.name, severity=severity)
            for (id, what, severity), seen in self._seen.items()
        ]


def _sentence(name: str, what: str, seen: _Seen) -> str:
    if not seen.places:
        return f"{name}: {what}"
    more = seen.count - len(seen.places)
    others = f" and {more} more" if more > 0 else ""
    return f"{name}: {what}: {', '.join(seen.places)}{others}"
