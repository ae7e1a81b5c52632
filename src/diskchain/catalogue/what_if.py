"""What becomes invalid when a file is deleted, moved, or merged into its backing file: the list of it, before it happens.

``invalid``: it reads other data, or none, and nothing mends that. ``re-point``: it is well again once it names the other file.
"""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, select

from diskchain.catalogue.dependents import CataloguedFile, above, described
from diskchain.catalogue.tables import EDGE

What = Literal["delete", "commit", "move"]


@dataclass(frozen=True, slots=True)
class Consequence:
    """What becomes of one file, and with it of the domains that need it. ``why``: in words that follow its name."""

    effect: Literal["invalid", "re-point"]
    file: CataloguedFile
    why: str


def what_if(connection: Connection, what: What, file: int) -> list[Consequence]:
    """What becomes of other files, and of domains, when this is done to ``file``; nearest first."""
    if what == "delete":
        return _deleted(connection, file)
    return _moved(connection, file) if what == "move" else _committed(connection, file)


def _deleted(connection: Connection, file: int) -> list[Consequence]:
    over = [_consequence("invalid", each, "relies on it") for each in described(connection, above(connection, file))]
    return [*_used(connection, file, "is a disk of a domain"), *over]


def _moved(connection: Connection, file: int) -> list[Consequence]:
    direct = connection.execute(select(EDGE.c.over).where(EDGE.c.under == file)).scalars()
    depths = dict.fromkeys(sorted(set(direct) - {file}), 1)
    over = [_consequence("re-point", each, "names it") for each in described(connection, depths)]
    return [*_used(connection, file, "is named by a domain", "re-point"), *over]


def _committed(connection: Connection, file: int) -> list[Consequence]:
    """Merged into what it relies on: that changes for all others above it; what is above ``file`` has to name it instead."""
    backing = select(EDGE.c.under).where(EDGE.c.over == file, EDGE.c.kind == "backing", EDGE.c.under.is_not(None))
    base = connection.execute(backing).scalar()
    if base is None:
        return []
    mine = above(connection, file)
    others = {each: depth for each, depth in above(connection, base).items() if each != file and each not in mine}
    direct = {each: depth for each, depth in mine.items() if depth == 1}
    found = _used(connection, base, "is itself a disk of a domain, and its content changes")
    found += _used(connection, file, "is a disk of a domain, which has to name the backing file", "re-point")
    found += [
        _consequence("invalid", each, "relies on the backing file, which changes")
        for each in described(connection, others)
    ]
    return found + [_consequence("re-point", each, "names it") for each in described(connection, direct)]


def _used(
    connection: Connection, file: int, why: str, effect: Literal["invalid", "re-point"] = "invalid"
) -> list[Consequence]:
    (found,) = described(connection, {file: 0})
    return [_consequence(effect, found, why)] if found.domains else []


def _consequence(effect: Literal["invalid", "re-point"], file: CataloguedFile, why: str) -> Consequence:
    return Consequence(effect, file, why)
