"""Questions to a catalogue: what relies on a file, what nothing needs, what a change would break. Deletes nothing.

The catalogue is one that scans were loaded into, or, for directories given instead, one in memory that is filled on the spot.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from diskchain.actions.scan import ScanSettings, scan
from diskchain.catalogue.coverage import Coverage, coverage
from diskchain.catalogue.database import catalogue
from diskchain.catalogue.dependents import (
    CataloguedFile,
    above,
    count_above,
    described,
    files_at,
    files_below,
    files_of_domain,
)
from diskchain.catalogue.load import LoadedRoot, Loader
from diskchain.catalogue.unreferenced import Unneeded, unreferenced
from diskchain.catalogue.what_if import Consequence, What, what_if
from diskchain.errors import StorageMissing
from diskchain.scan.stores import machine_id
from diskchain.schema.scan import FileDocument, ScanLine
from diskchain.system.paths import absolute_path

if TYPE_CHECKING:
    from diskchain.catalogue.database import CatalogueConnection


@dataclass(frozen=True, slots=True)
class Place:
    """Which catalogue. ``url``: a database; ``search``: directories that are scanned on the spot instead, with the domains of ``connect``."""

    url: str
    search: tuple[str, ...] = ()
    connect: str | None = None


@dataclass(frozen=True, slots=True)
class Dependents:
    """``files``: what was asked for. ``above``: what relies on them, at most a page; ``count``: how many there are in all."""

    target: str
    files: tuple[CataloguedFile, ...]
    above: tuple[CataloguedFile, ...]
    count: int
    coverage: Coverage

    @property
    def domains(self) -> tuple[str, ...]:
        """The names of the domains that need what was asked for, or what relies on it."""
        used = {use.domain for file in (*self.files, *self.above) for use in file.domains}
        return tuple(sorted(used))


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What becomes of other files and of domains when ``what`` is done to ``file``."""

    what: What
    file: CataloguedFile
    consequences: tuple[Consequence, ...]
    coverage: Coverage


def default_url(state: Path) -> str:
    """The catalogue in a state directory."""
    return f"sqlite:///{state / 'catalogue.db'}"


@contextmanager
def opened(place: Place) -> "Iterator[CatalogueConnection]":
    """A connection for questions. Raises UsageError where there is no catalogue, PeerError, MissingExtra."""
    with catalogue(None if place.search else place.url) as engine:
        if place.search:
            with Loader(engine) as loader:
                loader.load(scan(ScanSettings(place.search, place.connect)))
        with engine.connect() as connection:
            yield connection


def load(url: str, lines: Iterable[ScanLine]) -> Iterator[LoadedRoot]:
    """Load lines of scans into the catalogue at ``url``, made where there is none: each root when it was merged."""
    merged: list[LoadedRoot] = []
    with catalogue(url, create=True) as engine, Loader(engine, merged.append) as loader:
        for line in lines:
            loader.take(line)
            yield from _taken(merged)
        loader.finish()
        yield from _taken(merged)


def _taken(merged: list[LoadedRoot]) -> Iterator[LoadedRoot]:
    while merged:
        yield merged.pop(0)


def known_files(url: str) -> dict[str, FileDocument]:
    """What the catalogue at ``url`` knows of the files of this host, by path, as an earlier scan said it; empty where there is none."""
    from diskchain.catalogue.before import files_of_host

    if url.startswith("sqlite:///") and not os.path.exists(url.removeprefix("sqlite:///")):
        return {}
    with catalogue(url) as engine, engine.connect() as connection:
        return files_of_host(connection, machine_id())


def dependents(connection: "CatalogueConnection", target: str, *, most: int | None = None) -> Dependents:
    """What relies on a file, on what is in a directory, or on the disks of a domain. ``most``: files of the page.

    Raises StorageMissing when the catalogue knows nothing of that name.
    """
    numbers = _files(connection, target)
    found: dict[int, int] = {}
    for number in numbers:
        if most is None or len(found) < most:
            for each, depth in above(connection, number, most=most).items():
                found[each] = min(depth, found.get(each, depth))
    of_target = set(numbers)
    outside = {number: depth for number, depth in found.items() if number not in of_target}
    count = count_above(connection, numbers[0]) if len(numbers) == 1 else len(outside)
    page = dict(sorted(outside.items(), key=lambda item: item[1])[:most])
    return Dependents(
        target,
        tuple(described(connection, dict.fromkeys(numbers, 0))),
        tuple(described(connection, page)),
        count,
        coverage(connection),
    )


def seen(connection: "CatalogueConnection") -> Coverage:
    """Which places a catalogue knows, and how well each was seen."""
    return coverage(connection)


def unneeded(connection: "CatalogueConnection", before: float) -> Iterator[Unneeded]:
    """The files that nothing is known to need and that nobody wrote since ``before`` (seconds since 1970), largest first."""
    return unreferenced(connection, before)


def consequences(connection: "CatalogueConnection", what: What, target: str) -> WhatIf:
    """What would become invalid. Raises StorageMissing when the catalogue knows no such file."""
    (number, *_) = _files_named(connection, target)
    (file,) = described(connection, {number: 0})
    return WhatIf(what, file, tuple(what_if(connection, what, number)), coverage(connection))


def _files(connection: "CatalogueConnection", target: str) -> Sequence[int]:
    if "/" in target or os.path.lexists(target):
        try:
            return _files_named(connection, target)
        except StorageMissing:
            below = files_below(connection, absolute_path(target))
            if below:
                return below
            raise
    found = files_of_domain(connection, target)
    if not found:
        raise StorageMissing("the catalogue knows neither a file nor a domain of that name", path=target)
    return found


def _files_named(connection: "CatalogueConnection", target: str) -> Sequence[int]:
    path = absolute_path(target)
    for each in (path, os.path.realpath(path)):
        found = files_at(connection, each, machine_id())
        if found:
            return found
    raise StorageMissing(
        "the catalogue knows no file of that name: no scan met it, and nothing that was scanned names it", path=target
    )
