"""Files that nothing needs: no domain, and no overlay of one. Or ``unknown``, and why: an answer from part of the fleet deletes nothing.

A file is unreferenced only if every host that sees its store was scanned after the file changed, whole, its domains included.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from diskchain.catalogue.coverage import Root, coverage, hosts_that_see
from diskchain.catalogue.dependents import CataloguedFile, described

#: Raw data has no header: of such files only those count that could be a disk.
_LEAST_RAW: Final = 1 << 20
_NANOSECONDS: Final = 1_000_000_000
_LATEST: Final = 2**63 - 1

_CANDIDATES: Final = """
    WITH RECURSIVE needed(id) AS (
        SELECT file FROM disk WHERE file IS NOT NULL
        UNION
        SELECT edge.under FROM needed JOIN edge ON edge.over = needed.id WHERE edge.under IS NOT NULL)
    SELECT file.id FROM file
    WHERE file.scan IS NOT NULL AND file.other IS NULL AND (file.format IS NOT NULL OR file.unread IS NOT NULL)
        AND (file.format <> 'raw' OR file.size % 512 = 0 AND file.size >= :least)
        AND (file.modified < :before OR file.modified IS NULL) AND file.id NOT IN (SELECT id FROM needed)
    ORDER BY file.allocated DESC, file.id
"""


@dataclass(frozen=True, slots=True)
class Unneeded:
    """A file that nothing is known to need. ``unknown``: why it may be needed all the same; empty: every place was looked at."""

    file: CataloguedFile
    unknown: tuple[str, ...]

    @property
    def state(self) -> str:
        """``unreferenced`` or ``unknown``."""
        return "unknown" if self.unknown else "unreferenced"


def unreferenced(connection: Connection, before: float) -> Iterator[Unneeded]:
    """The files that nothing is known to need and that nobody wrote since ``before`` (seconds since 1970), largest first."""
    values = {"least": _LEAST_RAW, "before": min(int(before * _NANOSECONDS), _LATEST)}
    numbers = list(connection.execute(text(_CANDIDATES), values).scalars())
    doubts: dict[int, tuple[list[str], float | None]] = {}
    for file in described(connection, dict.fromkeys(numbers, 0)):
        if file.store not in doubts:
            doubts[file.store] = _doubts(connection, file.store)
        reasons, oldest = doubts[file.store]
        if file.changed is not None and oldest is not None and file.changed / _NANOSECONDS >= oldest:
            reasons = [*reasons, "it changed after a scan that it should be in"]
        yield Unneeded(file, tuple(reasons))


def _doubts(connection: Connection, store: int) -> tuple[list[str], float | None]:
    """Why a file of this store may be needed all the same, and when the oldest scan began that has to be newer than the file."""
    found = coverage(connection, hosts_that_see(connection, store))
    reasons = [_why(root) for root in found.missing]
    reasons += [f"the domains of {host} were not scanned" for host in found.silent]
    complete = [root.complete for root in found.roots if root.complete is not None]
    return reasons, min(complete, default=None)


def _why(root: Root) -> str:
    what = f"domains of {root.path}" if root.kind == "domains" else root.path
    part = f", part {root.shard}" if root.shard else ""
    seen = "was not scanned" if root.state == "failed" else "was not seen whole"
    return f"{what} on {root.host}{part} {seen}"
