"""``relocate`` of a document: the names in it, and those in the headers of its disks, as one job."""

from dataclasses import replace

from diskchain.actions.read_document import TargetDocument
from diskchain.errors import UsageError
from diskchain.findings import Finding
from diskchain.jobs.plan import DocumentChange, Plan, PlannedLayer, Repoint, SeenFile
from diskchain.jobs.planning.commit import Planned
from diskchain.jobs.planning.relocate import Moves, plan_relocate
from diskchain.libvirtxml.edit.completion import declared_disks
from diskchain.libvirtxml.edit.set_source import set_source
from diskchain.storage.location import local_path
from diskchain.storage.source import layers


def relocate_document(document: TargetDocument, moves: Moves) -> Planned:
    """One plan for all disks of ``document``. Raises XmlError, StorageError, UsageError for a domain of another host."""
    if document.host is not None:
        raise UsageError(f"the files are on {document.host}; run diskchain there")
    domain = document.domain
    text = document.text if domain is None else domain.inactive or b""
    new, chains = text, list[PlannedLayer]()
    files, pointers, refused = dict[str, SeenFile](), dict[str, Repoint](), list[Finding]()
    for number, disk in enumerate(declared_disks(text, document.origin)):
        for position, layer in enumerate(layers(disk.source)):
            path = local_path(layer.location)
            place = None if path is None else moves.new_place(path)
            if place is not None and path is not None and not _exists(moves.here(path)):
                new = set_source(new, number, position, path=place, origin=document.origin)
        path = local_path(disk.source.location)
        if path is None:
            continue
        planned = plan_relocate(
            document.origin, moves.here(path if _exists(moves.here(path)) else moves.new_place(path) or path), moves
        )
        refused += planned.findings
        if planned.plan is not None:
            shift = len(chains)
            chains += planned.plan.layers
            files |= {seen.path: seen for seen in planned.plan.files}
            pointers |= {
                each.path: replace(each, layer=each.layer + shift)
                for each in planned.plan.repoints
                if each.path not in pointers
            }
    places = tuple(range(len(chains)))
    plan = Plan(
        "relocate",
        document.origin,
        None,
        tuple(chains),
        tuple(files.values()),
        places,
        places,
        repoints=tuple(pointers.values()),
    )
    if new != text:
        uri, origin = (None, document.origin) if domain is None else (document.uri, domain.uuid)
        plan = replace(plan, document=DocumentChange(origin, text, new, uri))
    return Planned(plan if chains else None, tuple(dict.fromkeys(refused)))


def _exists(path: str) -> bool:
    import os

    return os.path.exists(path)
