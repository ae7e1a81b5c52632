"""What the questions to a catalogue print with ``--json``: dependents, unreferenced, what-if and status, each of version 1."""

import msgspec

DEPENDENTS_SCHEMA = "diskchain/dependents/1"
UNREFERENCED_SCHEMA = "diskchain/unreferenced/1"
WHAT_IF_SCHEMA = "diskchain/what-if/1"
STATUS_SCHEMA = "diskchain/status/1"


class RootSeenDocument(msgspec.Struct, frozen=True):
    """A place that was scanned. ``kind``: ``directory`` or ``domains``. ``started``, ``complete``: seconds since 1970."""

    host: str
    kind: str
    path: str
    state: str
    started: float
    complete: float | None = None
    shard: str | None = None
    refused: int = 0


class CoverageDocument(msgspec.Struct, frozen=True):
    """How far the answer goes. ``missing``: places that were not seen whole; ``hosts-without-domains``: nobody asked for theirs."""

    whole: bool
    asked: tuple[RootSeenDocument, ...]
    missing: tuple[RootSeenDocument, ...]
    hosts_without_domains: tuple[str, ...] = msgspec.field(name="hosts-without-domains", default=())


class DomainUseDocument(msgspec.Struct, frozen=True):
    """A domain that needs a file. ``origin``: ``live``, ``inactive``, ``snapshot NAME`` or ``checkpoint NAME``."""

    host: str
    domain: str
    uuid: str
    target: str
    origin: str
    running: bool


class PlaceDocument(msgspec.Struct, frozen=True):
    """A name of a file on one host."""

    host: str
    path: str


class CataloguedFileDocument(msgspec.Struct, frozen=True):
    """A file. ``path``, ``host``: one of its ``names``. ``depth``: how far it is above what was asked for, 0 for that itself.

    ``scanned``: whether it was read, or only named by another. ``allocated``: bytes. ``dependents``: files above it, at any depth.
    """

    path: str
    host: str | None
    depth: int
    scanned: bool
    format: str | None
    allocated: int | None
    dependents: int
    names: tuple[PlaceDocument, ...]
    domains: tuple[DomainUseDocument, ...]


class DependentsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain dependents --json`` prints. ``files``: what relies on ``asked``, ``count`` in all; ``domains``: their names."""

    schema: str = DEPENDENTS_SCHEMA
    target: str
    asked: tuple[CataloguedFileDocument, ...]
    count: int
    files: tuple[CataloguedFileDocument, ...]
    domains: tuple[str, ...]
    coverage: CoverageDocument


class UnneededDocument(msgspec.Struct, frozen=True):
    """A file that nothing is known to need. ``state``: ``unreferenced``, or ``unknown`` and ``why`` it may be needed all the same."""

    state: str
    file: CataloguedFileDocument
    why: tuple[str, ...] = ()


class UnreferencedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain unreferenced --json`` prints. ``bytes``: of those that are ``unreferenced``. ``min-age``: seconds."""

    schema: str = UNREFERENCED_SCHEMA
    min_age: int = msgspec.field(name="min-age")
    bytes: int
    files: tuple[UnneededDocument, ...]
    coverage: CoverageDocument


class ConsequenceDocument(msgspec.Struct, frozen=True):
    """What becomes of one file. ``effect``: ``invalid``, or ``re-point``: well again once it names the other file."""

    effect: str
    why: str
    file: CataloguedFileDocument


class WhatIfDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain what-if --json`` prints. ``what``: ``delete``, ``commit`` or ``move``."""

    schema: str = WHAT_IF_SCHEMA
    what: str
    file: CataloguedFileDocument
    consequences: tuple[ConsequenceDocument, ...]
    coverage: CoverageDocument


class StatusDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain catalogue status --json`` prints."""

    schema: str = STATUS_SCHEMA
    coverage: CoverageDocument
