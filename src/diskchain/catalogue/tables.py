"""The tables, the same in SQLite and PostgreSQL, and their version.

A ``file`` is known by ``store``, ``inode`` and ``generation`` (``NO_BIRTH`` where the file system records none), whoever sees it; a ``name``
is a path of it on one host. A file that was only named by another, and never scanned, has no ``scan``. An ``edge`` leads from an overlay to
what it relies on; ``under`` is null where nothing was there. ``file.dependents`` counts all files above it, at any depth: the merge keeps
it. Times are seconds since 1970, those of files nanoseconds; texts are as :mod:`diskchain.catalogue.names` writes them.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

VERSION: Final = 1
#: ``generation`` of a file whose birth is not recorded.
NO_BIRTH: Final = -1
METADATA: Final = MetaData()
#: Paths are compared by their letters alone: what is below a directory is a range of them, which a language's order tears apart.
_PATH: Final = Text().with_variant(Text(collation="C"), "postgresql")
#: SQLite counts rows by INTEGER PRIMARY KEY alone.
_ID: Final = BigInteger().with_variant(Integer, "sqlite")

VERSIONS = Table("catalogue_version", METADATA, Column("version", Integer, primary_key=True))

HOST = Table(
    "host",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("machine", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("started", Float, nullable=False),
)

STORE = Table("store", METADATA, Column("id", _ID, primary_key=True), Column("name", Text, nullable=False, unique=True))

#: A store that a host sees, whether it was scanned there or not.
SIGHT = Table(
    "sight",
    METADATA,
    Column("host", _ID, ForeignKey("host.id"), primary_key=True),
    Column("store", _ID, ForeignKey("store.id"), primary_key=True),
    Column("path", Text, primary_key=True),
)

#: A place that is scanned, and how its last scans ended. ``started``: of the last scan that was merged.
ROOT = Table(
    "root",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("host", _ID, ForeignKey("host.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("shard", Text, nullable=False, server_default=""),
    Column("store", _ID, ForeignKey("store.id")),
    Column("state", Text, nullable=False),
    Column("started", Float, nullable=False),
    Column("complete", Float),
    Column("refused", Integer, nullable=False, server_default="0"),
    UniqueConstraint("host", "kind", "path", "shard"),
)

#: What was merged, and when. ``denied``: paths that could not be read, one a line.
SCAN = Table(
    "scan",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("root", _ID, ForeignKey("root.id"), nullable=False),
    Column("started", Float, nullable=False),
    Column("ended", Float),
    Column("merged", Float, nullable=False),
    Column("state", Text, nullable=False),
    Column("files", Integer, nullable=False),
    Column("denied", Text, nullable=False, server_default=""),
    Column("version", Text, nullable=False),
    Index("scan_of_root", "root", "merged"),
)

FILE = Table(
    "file",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("store", _ID, ForeignKey("store.id"), nullable=False),
    Column("inode", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("scan", _ID),
    Column("size", BigInteger),
    Column("allocated", BigInteger),
    Column("capacity", BigInteger),
    Column("modified", BigInteger),
    Column("changed", BigInteger),
    Column("format", Text),
    Column("other", Text),
    Column("unread", Text),
    Column("dependents", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("store", "inode", "generation"),
)

#: ``number``: what shards it, see :func:`diskchain.scan.directories.path_number`.
NAME = Table(
    "name",
    METADATA,
    Column("host", _ID, ForeignKey("host.id"), primary_key=True),
    Column("path", _PATH, primary_key=True),
    Column("file", _ID, ForeignKey("file.id"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("scan", _ID, nullable=False),
    Index("name_of_file", "file"),
)

#: ``path``: what the reference leads to; kept only where nothing was there.
EDGE = Table(
    "edge",
    METADATA,
    Column("over", _ID, ForeignKey("file.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("under", _ID, ForeignKey("file.id")),
    Column("state", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("format", Text),
    Column("path", Text),
    Index("edge_of_under", "under", "over"),
)

DOMAIN = Table(
    "domain",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("root", _ID, ForeignKey("root.id"), nullable=False),
    Column("uuid", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("running", Boolean, nullable=False),
    UniqueConstraint("root", "uuid"),
)

#: A file that a domain needs; ``file`` is null where nothing was there.
DISK = Table(
    "disk",
    METADATA,
    Column("domain", _ID, ForeignKey("domain.id", ondelete="CASCADE"), primary_key=True),
    Column("position", SmallInteger, primary_key=True),
    Column("target", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("writes", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("file", _ID, ForeignKey("file.id")),
    Index("disk_of_file", "file"),
)

FINDING = Table(
    "finding",
    METADATA,
    Column("file", _ID, ForeignKey("file.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("message", Text, primary_key=True),
    Column("severity", Text, nullable=False),
    Column("first_seen", Float, nullable=False),
    Column("last_seen", Float, nullable=False),
)
