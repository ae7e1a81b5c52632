"""What relies on a file: every overlay above it, at any depth, with the domains that need it. A page at a time.

The walk is one statement a dialect: PostgreSQL takes a recursion for 87,000 rows, and reads whole tables unless each step is LATERAL.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, bindparam, select, text

from diskchain.catalogue.database import is_postgres
from diskchain.catalogue.names import of_column, to_column
from diskchain.catalogue.tables import DISK, DOMAIN, FILE, HOST, NAME, ROOT

#: Deeper than any chain that QEMU opens; ends the walk where files name each other in a circle.
_DEEPEST: Final = 400
#: Files asked for at once.
_AT_ONCE: Final = 500

_STEP: Final = {
    False: "SELECT edge.over, d.depth + 1 FROM d JOIN edge ON edge.under = d.id WHERE d.depth < :deepest",
    True: (
        "SELECT e.over, d.depth + 1 FROM d CROSS JOIN LATERAL (SELECT over FROM edge WHERE under = d.id OFFSET 0) e "
        "WHERE d.depth < :deepest"
    ),
}
_ABOVE: Final = {
    postgres: f"WITH RECURSIVE d(id, depth) AS (SELECT over, 1 FROM edge WHERE under = :file UNION {step}) SELECT id, depth FROM d"
    for postgres, step in _STEP.items()
}


@dataclass(frozen=True, slots=True)
class Place:
    """A name of a file on one host."""

    host: str
    path: str


@dataclass(frozen=True, slots=True)
class DomainUse:
    """A domain that needs a file. ``target``: ``vda``, ``nvram`` …; ``origin``: ``live``, ``inactive``, ``snapshot NAME`` or ``checkpoint NAME``."""

    host: str
    domain: str
    uuid: str
    target: str
    origin: str
    running: bool


@dataclass(frozen=True, slots=True)
class CataloguedFile:
    """A file as the catalogue knows it. ``scanned``: whether it was read, or only named by another. Sizes in bytes, times in nanoseconds.

    ``dependents``: files above it, at any depth. ``depth``: how far it is above what was asked for; 0: it is that.
    """

    id: int
    depth: int
    places: tuple[Place, ...]
    domains: tuple[DomainUse, ...]
    scanned: bool
    format: str | None
    allocated: int | None
    capacity: int | None
    modified: int | None
    changed: int | None
    dependents: int
    store: int = field(default=0, repr=False)

    @property
    def path(self) -> str:
        """One of its names; its number where it has none."""
        return self.places[0].path if self.places else f"file {self.id}"


def above(connection: Connection, file: int, *, most: int | None = None) -> dict[int, int]:
    """Each file above one, and how far; at most so many, nearest first. Ends also where files name each other in a circle."""
    statement = _ABOVE[is_postgres(connection)]
    found: dict[int, int] = {}
    rows = connection.execute(
        text(statement).execution_options(stream_results=True), {"file": file, "deepest": _DEEPEST}
    )
    with rows:
        for number, depth in rows:
            if number != file:
                found.setdefault(number, depth)
            if most is not None and len(found) >= most:
                break
    return found


def count_above(connection: Connection, file: int) -> int:
    """How many files are above one, as the merges kept it."""
    return int(connection.execute(select(FILE.c.dependents).where(FILE.c.id == file)).scalar_one())


def files_at(connection: Connection, path: str, host: str | None = None) -> list[int]:
    """The files of that name; on ``host`` (its machine-id) alone, where it has one of that name there."""
    named = (
        select(NAME.c.file, HOST.c.machine).join(HOST, HOST.c.id == NAME.c.host).where(NAME.c.path == to_column(path))
    )
    rows = list(connection.execute(named))
    here = [row.file for row in rows if row.machine == host]
    return sorted(set(here or [row.file for row in rows]))


def files_below(connection: Connection, directory: str) -> list[int]:
    """The files with a name below a directory, on any host."""
    column = to_column(directory).rstrip("/")
    below = select(NAME.c.file).where(NAME.c.path > column + "/", NAME.c.path < column + "0").distinct()
    return sorted(connection.execute(below).scalars())


def files_of_domain(connection: Connection, name: str) -> list[int]:
    """The files that a domain of that name or UUID needs, on any host."""
    column = to_column(name)
    wanted = (DOMAIN.c.name == column) | (DOMAIN.c.uuid == column)
    used = select(DISK.c.file).join(DOMAIN, DOMAIN.c.id == DISK.c.domain).where(wanted, DISK.c.file.is_not(None))
    return sorted(set(connection.execute(used).scalars()))


def described(connection: Connection, depths: dict[int, int]) -> Iterator[CataloguedFile]:
    """What is known of these files, in their order."""
    numbers = list(depths)
    for start in range(0, len(numbers), _AT_ONCE):
        part = numbers[start : start + _AT_ONCE]
        places, domains = _places(connection, part), _domains(connection, part)
        rows = {
            row.id: row
            for row in connection.execute(
                select(FILE).where(FILE.c.id.in_(bindparam("part", expanding=True))), {"part": part}
            )
        }
        for number in part:
            row = rows[number]
            yield CataloguedFile(
                id=number,
                depth=depths[number],
                places=tuple(places.get(number, ())),
                domains=tuple(domains.get(number, ())),
                scanned=row.scan is not None,
                format=row.format,
                allocated=row.allocated,
                capacity=row.capacity,
                modified=row.modified,
                changed=row.changed,
                dependents=row.dependents,
                store=row.store,
            )


def _places(connection: Connection, numbers: Iterable[int]) -> dict[int, list[Place]]:
    statement = (
        select(NAME.c.file, HOST.c.name, NAME.c.path)
        .join(HOST, HOST.c.id == NAME.c.host)
        .where(NAME.c.file.in_(list(numbers)))
        .order_by(NAME.c.path, HOST.c.name)
    )
    found: dict[int, list[Place]] = {}
    for file, host, path in connection.execute(statement):
        found.setdefault(file, []).append(Place(of_column(host), of_column(path)))
    return found


def _domains(connection: Connection, numbers: Iterable[int]) -> dict[int, list[DomainUse]]:
    statement = (
        select(DISK.c.file, HOST.c.name, DOMAIN.c.name, DOMAIN.c.uuid, DISK.c.target, DISK.c.origin, DOMAIN.c.running)
        .join(DOMAIN, DOMAIN.c.id == DISK.c.domain)
        .join(ROOT, ROOT.c.id == DOMAIN.c.root)
        .join(HOST, HOST.c.id == ROOT.c.host)
        .where(DISK.c.file.in_(list(numbers)))
        .order_by(DOMAIN.c.name, DISK.c.position)
    )
    found: dict[int, list[DomainUse]] = {}
    for file, host, domain, uuid, target, origin, running in connection.execute(statement):
        use = DomainUse(of_column(host), of_column(domain), uuid, of_column(target), of_column(origin), bool(running))
        found.setdefault(file, []).append(use)
    return found
