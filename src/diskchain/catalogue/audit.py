"""What a catalogue keeps against what it finds anew: counts of dependents, and rows that lead nowhere."""

from typing import Final

from sqlalchemy import Connection, text

from diskchain.errors import printable

#: What is wrong with each row that a statement gives. The statements read everything, and change nothing.
_CHECKS: Final = {
    "{path} keeps a count of {kept} dependents where there are {found}": """
        WITH RECURSIVE pair(a, b) AS (
            SELECT over, under FROM edge WHERE under IS NOT NULL
            UNION
            SELECT pair.a, edge.under FROM pair JOIN edge ON edge.over = pair.b WHERE edge.under IS NOT NULL),
        counted AS (SELECT b, count(*) AS n FROM pair WHERE a <> b GROUP BY b)
        SELECT file.dependents AS kept, coalesce(counted.n, 0) AS found,
            coalesce((SELECT min(path) FROM name WHERE name.file = file.id), 'a file without a name') AS path
        FROM file LEFT JOIN counted ON counted.b = file.id WHERE file.dependents <> coalesce(counted.n, 0)
    """,
    "file {id} was scanned and has no name on any host": """
        SELECT id FROM file WHERE scan IS NOT NULL AND NOT EXISTS (SELECT 1 FROM name WHERE name.file = file.id)
    """,
    "{path} names a file that is missing, and yet leads to one": """
        SELECT coalesce(path, 'a file') AS path FROM edge WHERE under IS NOT NULL AND state <> 'resolved'
    """,
}


def audit(connection: Connection) -> list[str]:
    """What is wrong, a line each; nothing should be."""
    found = []
    for sentence, statement in _CHECKS.items():
        for row in connection.execute(text(statement)):
            values = {name: printable(str(value)) for name, value in row._mapping.items()}  # noqa: SLF001  # SQLAlchemy's public name
            found.append(sentence.format(**values))
    return found
