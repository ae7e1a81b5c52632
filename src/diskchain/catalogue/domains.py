"""The domains of one connection into the catalogue, with every file they need, in one transaction.

A complete scan ends the domains it did not meet. A file that a domain names and nobody scanned gets a row of its own.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from diskchain.catalogue.database import is_postgres, writing
from diskchain.catalogue.merge import begin_scan, host_id, store_id, upserted
from diskchain.catalogue.names import to_column
from diskchain.catalogue.tables import DISK, DOMAIN, FILE, NAME, NO_BIRTH
from diskchain.scan.directories import path_number
from diskchain.schema.scan import DomainDocument, HostDocument, RootDocument, UseDocument


def merge_domains(
    connection: Connection, host: HostDocument, root: RootDocument, domains: Sequence[DomainDocument]
) -> None:
    """Merge the domains of one connection. Raises what the database raises; then nothing was changed."""
    with writing(connection):
        number = host_id(connection, host)
        root_number, scan = begin_scan(connection, number, host, root, len(domains))
        if root.state == "failed":
            return
        if root.state == "complete":
            met = [to_column(each.uuid) for each in domains]
            old = select(DOMAIN.c.id).where(DOMAIN.c.root == root_number, DOMAIN.c.uuid.not_in(met))
            connection.execute(delete(DISK).where(DISK.c.domain.in_(old)))
            connection.execute(delete(DOMAIN).where(DOMAIN.c.id.in_(old)))
        files = _Files(connection, number, scan)
        for domain in domains:
            _merge_domain(connection, root_number, domain, files)


def _merge_domain(connection: Connection, root: int, domain: DomainDocument, files: "_Files") -> None:
    known: dict[str, Any] = {"name": to_column(domain.name), "running": domain.running}
    key = {"root": root, "uuid": to_column(domain.uuid)}
    number = upserted(connection, DOMAIN, ("root", "uuid"), key, known)
    connection.execute(delete(DISK).where(DISK.c.domain == number))
    rows = [
        {
            "domain": number,
            "position": position,
            "target": to_column(use.target),
            "origin": to_column(use.origin),
            "path": to_column(use.path),
            "writes": use.writes,
            "state": use.state,
            "file": files.of(use),
        }
        for position, use in enumerate(domain.uses)
    ]
    if rows:
        connection.execute(insert(DISK), rows)


class _Files:
    """The rows of files that domains name."""

    def __init__(self, connection: Connection, host: int, scan: int) -> None:
        self._connection, self._host, self._scan = connection, host, scan
        self._stores: dict[str, int] = {}
        self._known: dict[tuple[str, str, int | None], int] = {}

    def of(self, use: UseDocument) -> int | None:
        """The row of the file that is used; None where there is none. It has at least the name it is used by."""
        if use.store is None or use.inode is None:
            return None
        key = use.store, use.inode, use.generation
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = self._row(*key)
        make = postgresql.insert if is_postgres(self._connection) else sqlite.insert
        name = {"host": self._host, "path": to_column(use.path), "file": number, "scan": self._scan}
        statement = make(NAME).values(**name, number=path_number(use.path)).on_conflict_do_nothing()
        self._connection.execute(statement)
        return number

    def _row(self, store: str, inode: str, generation: int | None) -> int:
        if store not in self._stores:
            self._stores[store] = store_id(self._connection, store)
        born = NO_BIRTH if generation is None else generation
        key = {"store": self._stores[store], "inode": to_column(inode), "generation": born}
        return upserted(self._connection, FILE, ("store", "inode", "generation"), key, {})
