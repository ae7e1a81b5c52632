"""Answers of a catalogue as their JSON documents."""

from collections.abc import Sequence

from diskchain.actions.catalogue import Dependents, WhatIf
from diskchain.catalogue.coverage import Coverage, Root
from diskchain.catalogue.dependents import CataloguedFile
from diskchain.catalogue.unreferenced import Unneeded
from diskchain.schema.catalogue import (
    CataloguedFileDocument,
    ConsequenceDocument,
    CoverageDocument,
    DependentsDocument,
    DomainUseDocument,
    PlaceDocument,
    RootSeenDocument,
    StatusDocument,
    UnneededDocument,
    UnreferencedDocument,
    WhatIfDocument,
)


def dependents_document(found: Dependents) -> DependentsDocument:
    """The JSON form of what relies on a target."""
    return DependentsDocument(
        target=found.target,
        asked=tuple(map(_file, found.files)),
        count=found.count,
        files=tuple(map(_file, found.above)),
        domains=found.domains,
        coverage=_coverage(found.coverage),
    )


def unreferenced_document(found: Sequence[Unneeded], coverage: Coverage, min_age: int) -> UnreferencedDocument:
    """The JSON form of what nothing is known to need. ``min_age``: seconds."""
    free = sum(each.file.allocated or 0 for each in found if not each.unknown)
    files = tuple([UnneededDocument(each.state, _file(each.file), each.unknown) for each in found])
    return UnreferencedDocument(min_age=min_age, bytes=free, files=files, coverage=_coverage(coverage))


def what_if_document(found: WhatIf) -> WhatIfDocument:
    """The JSON form of what a change would break."""
    broken = tuple([ConsequenceDocument(each.effect, each.why, _file(each.file)) for each in found.consequences])
    return WhatIfDocument(
        what=found.what, file=_file(found.file), consequences=broken, coverage=_coverage(found.coverage)
    )


def status_document(found: Coverage) -> StatusDocument:
    """The JSON form of what a catalogue holds."""
    return StatusDocument(coverage=_coverage(found))


def _file(file: CataloguedFile) -> CataloguedFileDocument:
    return CataloguedFileDocument(
        path=file.path,
        host=file.places[0].host if file.places else None,
        depth=file.depth,
        scanned=file.scanned,
        format=file.format,
        allocated=file.allocated,
        dependents=file.dependents,
        names=tuple([PlaceDocument(each.host, each.path) for each in file.places]),
        domains=tuple(
            [
                DomainUseDocument(each.host, each.domain, each.uuid, each.target, each.origin, each.running)
                for each in file.domains
            ]
        ),
    )


def _coverage(found: Coverage) -> CoverageDocument:
    return CoverageDocument(
        found.is_whole, tuple(map(_root, found.roots)), tuple(map(_root, found.missing)), found.silent
    )


def _root(root: Root) -> RootSeenDocument:
    return RootSeenDocument(
        host=root.host,
        kind=root.kind,
        path=root.path,
        state=root.state,
        started=root.started,
        complete=root.complete,
        shard=root.shard or None,
        refused=root.refused,
    )
