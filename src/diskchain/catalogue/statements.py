"""The statements of a merge, in the order they run, the same text in SQLite and PostgreSQL. What is put into them is our own text.

``stage_…``, ``changed``, ``affected``, ``lost`` and ``gone`` are temporary tables, see :mod:`diskchain.catalogue.staging`. SQLite wants a
WHERE before ON CONFLICT.
"""

from typing import Final

#: Stores get their numbers.
STORES: Final = (
    "INSERT INTO store (name) SELECT DISTINCT name FROM stage_store WHERE true ON CONFLICT (name) DO NOTHING",
    "UPDATE stage_store SET id = store.id FROM store WHERE store.name = stage_store.name",
)

#: Files that were scanned, then those that are only named, get their rows. Of a file with several names one row is enough.
FILES: Final = (
    """
    INSERT INTO file (store, inode, generation, scan, size, allocated, capacity, modified, changed, format, other, unread)
    SELECT s.id, f.inode, f.generation, :scan, f.size, f.allocated, f.capacity, f.modified, f.changed, f.format, f.other, f.unread
    FROM stage_file f JOIN stage_store s ON s.n = f.store
    WHERE f.n IN (SELECT min(n) FROM stage_file GROUP BY store, inode, generation)
    ON CONFLICT (store, inode, generation) DO UPDATE SET scan = excluded.scan, size = excluded.size, allocated = excluded.allocated,
        capacity = excluded.capacity, modified = excluded.modified, changed = excluded.changed, format = excluded.format,
        other = excluded.other, unread = excluded.unread
    """,
    """
    UPDATE stage_file SET file = file.id FROM stage_store s, file
    WHERE s.n = stage_file.store AND file.store = s.id AND file.inode = stage_file.inode AND file.generation = stage_file.generation
    """,
    """
    INSERT INTO file (store, inode, generation) SELECT DISTINCT s.id, e.inode, e.generation
    FROM stage_edge e JOIN stage_store s ON s.n = e.store WHERE true ON CONFLICT (store, inode, generation) DO NOTHING
    """,
    """
    UPDATE stage_edge SET under = file.id FROM stage_store s, file
    WHERE s.n = stage_edge.store AND file.store = s.id AND file.inode = stage_edge.inode AND file.generation = stage_edge.generation
    """,
)

#: Names that another file has now; then the names as they are now.
NAMES: Final = (
    """
    INSERT INTO lost SELECT name.file, name.path
    FROM stage_file f JOIN name ON name.host = :host AND name.path = f.path WHERE name.file <> f.file
    """,
    """
    INSERT INTO name (host, path, file, number, scan)
    SELECT CAST(:host AS BIGINT), path, file, number, CAST(:scan AS BIGINT) FROM stage_file WHERE true
    ON CONFLICT (host, path) DO UPDATE SET file = excluded.file, scan = excluded.scan
    """,
)

_UNSEEN: Final = (
    "FROM name WHERE host = :host AND scan <> :scan AND path > :first AND path < :last AND number % :of = :number"
)
#: The names below a root that a complete scan of it did not meet.
UNSEEN: Final = (f"INSERT INTO lost SELECT file, path {_UNSEEN}", f"DELETE {_UNSEEN}")

#: Names by which files are named that nobody scanned; then the files that no host has a name of.
GONE: Final = (
    """
    INSERT INTO name (host, path, file, number, scan)
    SELECT DISTINCT CAST(:host AS BIGINT), e.path, e.under, e.number, CAST(:scan AS BIGINT) FROM stage_edge e
    WHERE e.under IS NOT NULL AND e.path IS NOT NULL ON CONFLICT (host, path) DO NOTHING
    """,
    """
    INSERT INTO gone SELECT id, min(path) FROM lost
    WHERE NOT EXISTS (SELECT 1 FROM name WHERE name.file = lost.id) GROUP BY id
    """,
)

_NEW: Final = """
    SELECT f.file AS over, e.position, e.kind, e.under, e.state, e.reference, e.format, CASE WHEN e.under IS NULL THEN e.path END AS path
    FROM stage_edge e JOIN stage_file f ON f.n = e.n
"""
_OLD: Final = """
    SELECT edge.over, edge.position, edge.kind, edge.under, edge.state, edge.reference, edge.format, edge.path
    FROM stage_file f JOIN edge ON edge.over = f.file
"""
_ONCE: Final = "ON CONFLICT (id) DO NOTHING"
#: Files whose references are others than before, or lead to what is gone.
CHANGED: Final = (
    f"INSERT INTO changed SELECT DISTINCT over FROM ({_NEW} EXCEPT {_OLD}) a",
    f"INSERT INTO changed SELECT DISTINCT over FROM ({_OLD} EXCEPT {_NEW}) a WHERE true {_ONCE}",
    f"INSERT INTO changed SELECT id FROM gone WHERE true {_ONCE}",
    f"INSERT INTO changed SELECT DISTINCT edge.over FROM gone JOIN edge ON edge.under = gone.id WHERE true {_ONCE}",
)

#: Steps of a recursion. PostgreSQL takes one for 87,000 rows and reads whole tables, unless each step is LATERAL.
_UP: Final = {
    False: "SELECT edge.over FROM up JOIN edge ON edge.under = up.id",
    True: "SELECT e.over FROM up CROSS JOIN LATERAL (SELECT over FROM edge WHERE under = up.id OFFSET 0) e",
}
_DOWN: Final = {
    False: "SELECT pair.a, edge.under FROM pair JOIN edge ON edge.over = pair.b WHERE edge.under IS NOT NULL",
    True: """
        SELECT pair.a, e.under FROM pair
        CROSS JOIN LATERAL (SELECT under FROM edge WHERE over = pair.b AND under IS NOT NULL OFFSET 0) e
    """,
}


def _counts(sign: str, *, postgres: bool) -> str:
    """Add to, or take from, the count of each file below affected ones how many of those there are."""
    return f"""
        UPDATE file SET dependents = file.dependents {sign} d.n FROM (
            WITH RECURSIVE pair(a, b) AS (
                SELECT edge.over, edge.under FROM affected JOIN edge ON edge.over = affected.id WHERE edge.under IS NOT NULL
                UNION {_DOWN[postgres]})
            SELECT b, count(*) AS n FROM pair WHERE a <> b GROUP BY b) d
        WHERE file.id = d.b
    """


def edges(*, postgres: bool) -> tuple[str, ...]:
    """The changed files and all above them count no more for what is below them; edges are replaced; they count again."""
    # A new table has no statistics, and is read whole as if it were small.
    by_index = ("SET LOCAL enable_seqscan = off",) if postgres else ()
    as_usual = ("SET LOCAL enable_seqscan = on",) if postgres else ()
    return (
        *by_index,
        f"INSERT INTO affected WITH RECURSIVE up(id) AS (SELECT id FROM changed UNION {_UP[postgres]}) SELECT id FROM up",
        *(["ANALYZE affected"] if postgres else []),
        _counts("-", postgres=postgres),
        *as_usual,
        "UPDATE edge SET under = NULL, state = 'missing', path = gone.path FROM gone WHERE edge.under = gone.id",
        "UPDATE disk SET file = NULL, state = 'missing' WHERE file IN (SELECT id FROM gone)",
        "DELETE FROM edge WHERE over IN (SELECT id FROM gone)",
        "DELETE FROM edge WHERE over IN (SELECT id FROM changed) AND over IN (SELECT file FROM stage_file)",
        f"""
        INSERT INTO edge (over, position, kind, under, state, reference, format, path)
        SELECT n.over, n.position, n.kind, n.under, n.state, n.reference, n.format, n.path
        FROM ({_NEW}) n JOIN changed ON changed.id = n.over WHERE true ON CONFLICT (over, position) DO NOTHING
        """,
        *by_index,
        _counts("+", postgres=postgres),
        *as_usual,
    )


#: What is gone has no row any more; findings keep when they were first seen.
ENDS: Final = (
    "DELETE FROM finding WHERE file IN (SELECT id FROM gone)",
    "DELETE FROM file WHERE id IN (SELECT id FROM gone)",
    """
    INSERT INTO finding (file, kind, message, severity, first_seen, last_seen)
    SELECT f.file, d.kind, d.message, min(d.severity), CAST(:started AS DOUBLE PRECISION), CAST(:started AS DOUBLE PRECISION)
    FROM stage_finding d JOIN stage_file f ON f.n = d.n GROUP BY f.file, d.kind, d.message
    ON CONFLICT (file, kind, message) DO UPDATE SET last_seen = excluded.last_seen
    """,
)
