"""How far an answer can be trusted: which places were scanned, when, how that ended, and who sees a store without having been asked.

"Not scanned" is never "not found". Times are those of the hosts' clocks, in seconds since 1970.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from diskchain.catalogue.names import of_column
from diskchain.catalogue.tables import FILE, HOST, NAME, ROOT, SIGHT


@dataclass(frozen=True, slots=True)
class Root:
    """A place that is scanned. ``complete``: when its last complete scan began; None: there was none. ``state``: of its last scan."""

    host: str
    kind: str
    path: str
    shard: str
    state: str
    started: float
    complete: float | None
    refused: int

    @property
    def is_missing(self) -> bool:
        """Whether an answer lacks what is there: its last scan saw not all of it."""
        return self.state != "complete"


@dataclass(frozen=True, slots=True)
class Coverage:
    """``roots``: all that were scanned. ``missing``: those that were not seen whole. ``silent``: hosts whose domains nobody asked for."""

    roots: tuple[Root, ...]
    missing: tuple[Root, ...]
    silent: tuple[str, ...]

    @property
    def oldest(self) -> float | None:
        """When the oldest scan of the answer began; None: there was none."""
        return min((each.started for each in self.roots), default=None)

    @property
    def hosts(self) -> frozenset[str]:
        """The names of the hosts that were scanned."""
        return frozenset(each.host for each in self.roots)

    @property
    def is_whole(self) -> bool:
        """Whether every place that is known was seen whole."""
        return bool(self.roots) and not self.missing and not self.silent


def coverage(connection: Connection, hosts: Iterable[int] | None = None) -> Coverage:
    """Of the roots of these hosts; None: of all."""
    asked = select(HOST.c.id, HOST.c.name)
    rows = (
        select(HOST.c.name, ROOT).join(HOST, HOST.c.id == ROOT.c.host).order_by(HOST.c.name, ROOT.c.kind, ROOT.c.path)
    )
    if hosts is not None:
        numbers = list(hosts)
        asked, rows = asked.where(HOST.c.id.in_(numbers)), rows.where(ROOT.c.host.in_(numbers))
    roots = tuple([_root(row) for row in connection.execute(rows)])
    missing = [each for each in roots if each.is_missing]
    missing += _missing_shards(roots)
    heard = {each.host for each in roots if each.kind == "domains"}
    names = [of_column(row.name) for row in connection.execute(asked.order_by(HOST.c.name))]
    return Coverage(roots, tuple(missing), tuple([each for each in names if each not in heard]))


def hosts_that_see(connection: Connection, store: int) -> set[int]:
    """The hosts on which a store is mounted, or that have a name on it."""
    seen = connection.execute(select(SIGHT.c.host).where(SIGHT.c.store == store)).scalars()
    roots = connection.execute(select(ROOT.c.host).where(ROOT.c.store == store)).scalars()
    first = select(FILE.c.id).where(FILE.c.store == store).limit(1).scalar_subquery()
    named = connection.execute(select(NAME.c.host).where(NAME.c.file == first)).scalars()
    return {*seen, *roots, *named}


def _root(found: Row[Any]) -> Root:
    return Root(
        host=of_column(found[0]),
        kind=found.kind,
        path=of_column(found.path),
        shard=found.shard,
        state=found.state,
        started=found.started,
        complete=found.complete,
        refused=found.refused,
    )


def _missing_shards(roots: tuple[Root, ...]) -> list[Root]:
    """Shards that no scan has brought, each as a root that failed."""
    found: dict[tuple[str, str, str], set[int]] = {}
    for each in roots:
        if each.shard:
            number, _, of = each.shard.partition("/")
            found.setdefault((each.host, each.path, of), set()).add(int(number))
    return [
        Root(host, "directory", path, f"{number}/{of}", "failed", 0.0, None, 0)
        for (host, path, of), numbers in found.items()
        for number in range(1, int(of) + 1)
        if number not in numbers
    ]
