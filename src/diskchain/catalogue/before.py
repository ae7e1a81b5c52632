"""What is known of one host's files, as the scan lines it came from: of a file that was not written since, the next scan reads nothing."""

from sqlalchemy import Connection, select

from diskchain.catalogue.names import of_column
from diskchain.catalogue.tables import EDGE, FILE, HOST, NAME, NO_BIRTH, STORE
from diskchain.schema.scan import FileDocument, ReferenceDocument


def files_of_host(connection: Connection, machine: str) -> dict[str, FileDocument]:
    """By path. Without findings: a file that had some is left out, and is read again."""
    from diskchain.catalogue.tables import FINDING

    here = select(HOST.c.id).where(HOST.c.machine == machine).scalar_subquery()
    faulty = select(FINDING.c.file).where(FINDING.c.file == FILE.c.id).exists()
    files = (
        select(NAME.c.path, STORE.c.name.label("store_name"), FILE)
        .join(FILE, FILE.c.id == NAME.c.file)
        .join(STORE, STORE.c.id == FILE.c.store)
        .where(NAME.c.host == here, FILE.c.scan.is_not(None), FILE.c.unread.is_(None), ~faulty)
    )
    references = _references(connection, here)
    return {
        (path := of_column(row.path)): FileDocument(
            path=path,
            store=of_column(row.store_name),
            inode=of_column(row.inode),
            generation=None if row.generation == NO_BIRTH else row.generation,
            size=row.size,
            allocated=row.allocated,
            modified=row.modified,
            changed=row.changed,
            format=row.format,
            capacity=row.capacity,
            other=row.other,
            references=tuple(references.get(row.id, ())),
        )
        for row in connection.execute(files)
    }


def _references(connection: Connection, here: object) -> dict[int, list[ReferenceDocument]]:
    """The references of each file that has a name on a host; where they lead to is not in them, since it is looked up anew."""
    named = select(NAME.c.file).where(NAME.c.host == here)
    found: dict[int, list[ReferenceDocument]] = {}
    for row in connection.execute(select(EDGE).where(EDGE.c.over.in_(named)).order_by(EDGE.c.over, EDGE.c.position)):
        reference = ReferenceDocument(
            kind=row.kind,
            text=of_column(row.reference),
            state=row.state,
            format=None if row.format is None else of_column(row.format),
        )
        found.setdefault(row.over, []).append(reference)
    return found
