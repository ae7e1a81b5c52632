"""One root's scan into the catalogue, in one transaction: all of it or nothing, whatever ends the loader.

What is staged replaces what was known of the same files. A complete scan also ends the names it did not meet; a file without a name on
any host is gone, and what named it has a missing layer from then on. Every statement works on sets, and is the same in both dialects.

Counts of dependents are kept by difference: files whose edges change, and all above them, are taken out under the old edges and put
in again under the new ones.
"""

from dataclasses import dataclass
from time import time
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite

from diskchain.catalogue import statements
from diskchain.catalogue.database import is_postgres, writing
from diskchain.catalogue.names import to_column
from diskchain.catalogue.staging import Staging
from diskchain.catalogue.tables import HOST, ROOT, SCAN, SIGHT, STORE
from diskchain.schema.scan import HostDocument, MountDocument, RootDocument

#: Denied paths that are kept of one scan.
_DENIED: Final = 100
#: Tables are looked at anew when this part of them, one in so many, is new.
_GROWTH: Final = 5


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did. ``files``: in the scan; ``changed``: whose references changed; ``gone``: that have no name any more."""

    files: int
    changed: int
    gone: int


def merge_root(staging: Staging, host: HostDocument, root: RootDocument) -> Merged:
    """Merge what is staged, of one directory that was looked through. Raises what the database raises; then nothing was changed."""
    connection = staging.connection
    staging.flush()
    with writing(connection):
        number = host_id(connection, host)
        _, scan = begin_scan(connection, number, host, root, staging.files)
        for statement in statements.STORES:
            _run(connection, statement)
        if root.state == "failed":
            return Merged(0, 0, 0)
        values = {"scan": scan, "host": number, "started": root.started}
        grows = is_postgres(connection) and _grows(connection, staging.files)
        if is_postgres(connection):
            _run(connection, "ANALYZE stage_store, stage_file, stage_edge")
        for statement in statements.FILES:
            _run(connection, statement, values)
        if grows:  # else each new edge is checked by reading the whole table, which was small when that was planned
            _run(connection, "ANALYZE file")
        if is_postgres(connection):  # now they know their files
            _run(connection, "ANALYZE stage_file, stage_edge")
        for statement in statements.NAMES:
            _run(connection, statement, values)
        if root.state == "complete":
            _end_unseen(connection, root, values)
        for statement in (*statements.GONE, *statements.CHANGED):
            _run(connection, statement, values)
        replace_edges(connection)
        for statement in statements.ENDS:
            _run(connection, statement, values)
        if grows:
            _run(connection, "ANALYZE edge, name")
        return Merged(staging.files, _count(connection, "changed"), _count(connection, "gone"))


def replace_edges(connection: Connection) -> None:
    """Put the staged edges of what is ``changed`` in place of the old ones, and keep the counts."""
    postgres = is_postgres(connection)
    if postgres:
        _run(connection, "ANALYZE changed")
    for statement in statements.edges(postgres=postgres):
        _run(connection, statement)


def _end_unseen(connection: Connection, root: RootDocument, values: dict[str, Any]) -> None:
    path = to_column(root.path).rstrip("/")
    number, _, of = (root.shard or "1/1").partition("/")
    # "0" comes right after "/".
    place = {**values, "first": path + "/", "last": path + "0", "number": int(number) - 1, "of": int(of)}
    for statement in statements.UNSEEN:
        _run(connection, statement, place)


def host_id(connection: Connection, host: HostDocument) -> int:
    """The row of a host, with what is known of it now."""
    known = {"name": to_column(host.name), "version": to_column(host.version), "started": host.started}
    return upserted(connection, HOST, ("machine",), {"machine": to_column(host.machine)}, known)


def merge_mounts(connection: Connection, host: HostDocument, mounts: list[MountDocument]) -> None:
    """What stores a host sees, in place of what it saw before."""
    with writing(connection):
        number = host_id(connection, host)
        connection.execute(delete(SIGHT).where(SIGHT.c.host == number))
        seen = {(store_id(connection, each.store), to_column(each.path)) for each in mounts}
        if seen:
            connection.execute(insert(SIGHT), [{"host": number, "store": store, "path": path} for store, path in seen])


def store_id(connection: Connection, name: str) -> int:
    """The row of a store."""
    return upserted(connection, STORE, ("name",), {"name": to_column(name)}, {})


def begin_scan(connection: Connection, host: int, by: HostDocument, root: RootDocument, files: int) -> tuple[int, int]:
    """The rows of a root and of its scan, as it ended."""
    known: dict[str, Any] = {"state": root.state, "started": root.started, "refused": len(root.denied)}
    if root.store is not None:
        known["store"] = store_id(connection, root.store)
    if root.state == "complete":
        known["complete"] = root.started
    key = {"host": host, "kind": root.kind, "path": to_column(root.path), "shard": root.shard or ""}
    number = upserted(connection, ROOT, ("host", "kind", "path", "shard"), key, known)
    denied = "\n".join(to_column(each) for each in root.denied[:_DENIED])
    row = {"root": number, "started": root.started, "ended": root.ended, "merged": time(), "state": root.state}
    found = connection.execute(
        insert(SCAN).values(**row, files=files, denied=denied, version=to_column(by.version)).returning(SCAN.c.id)
    )
    return number, int(found.scalar_one())


def upserted(
    connection: Connection, table: Any, key: tuple[str, ...], named: dict[str, Any], known: dict[str, Any]
) -> int:
    """The id of the row with this key, made or brought up to date."""
    make = postgresql.insert if is_postgres(connection) else sqlite.insert
    statement = make(table).values(**named, **known)
    if known:
        statement = statement.on_conflict_do_update(index_elements=list(key), set_=known)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=list(key))
    connection.execute(statement)
    found = select(table.c.id).where(*[table.c[name] == value for name, value in named.items()])
    return int(connection.execute(found).scalar_one())


def _run(connection: Connection, statement: str, values: dict[str, Any] | None = None) -> None:
    names = {name: value for name, value in (values or {}).items() if f":{name}" in statement}
    connection.execute(text(statement), names)


def _grows(connection: Connection, files: int) -> bool:
    """Whether so many files more make PostgreSQL's idea of the tables a wrong one."""
    known = connection.execute(text("SELECT reltuples FROM pg_class WHERE oid = CAST('file' AS regclass)")).scalar_one()
    return bool(files * _GROWTH > known)


def _count(connection: Connection, table: str) -> int:
    return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())
