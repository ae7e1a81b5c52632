"""``copy``: all that a disk reads as, or its active layer alone, in a new file. The chain it is copied from is only read."""

import os

from diskchain.findings import finding
from diskchain.jobs.plan import NewFile, Plan, PlannedLayer, Proof, Work
from diskchain.jobs.planning.commit import Planned
from diskchain.jobs.planning.draft import LONGEST_REFERENCE, WRITABLE, Draft, allocated, in_plain
from diskchain.storage.terms import Format


def plan_copy(given: Draft, destination: str, *, shallow: bool = False, format: Format | None = None) -> Planned:
    """The disk in the file ``destination`` of ``format`` (default: as the active layer). ``shallow``: over the layers it has now."""
    if given.refused:
        return Planned(None, given.refused)
    top, path = given.layers[0], os.path.abspath(destination)
    wanted = format or (top.format if top.format in WRITABLE else Format.QCOW2)
    shallow = shallow and len(given.layers) > 1
    if wanted not in WRITABLE or (shallow and wanted is not Format.QCOW2):
        message = f"a copy is qcow2 or raw, and qcow2 where it has layers below, not {wanted}"
        return Planned(None, (finding("job-format", message, file=path),))
    if os.path.lexists(path):
        return Planned(
            None, (finding("job-target", f"{path} is there already: nothing is written over it", file=path),)
        )
    below = given.layers[1] if shallow else None
    name = None if below is None else _reference(given, path)
    if name is not None and len(os.fsencode(name)) > LONGEST_REFERENCE:
        return Planned(None, (finding("job-reference", f"{name} is too long a name for a header", file=path),))
    place, places = len(given.layers), tuple(range(len(given.layers)))
    plain = in_plain(given, places, None)
    if plain:
        return Planned(None, tuple(plain))
    form = None if below is None else str(below.format)
    new = NewFile(place, path, wanted, top.capacity, top.path or path, name, form)
    made = PlannedLayer(path, wanted, top.capacity, path, reference=name, reference_format=form)
    chain = (place, *places[1:]) if shallow else (place,)
    bound = allocated(given, places[:1] if shallow else places)
    return Planned(
        Plan(
            "copy",
            given.target,
            given.disk,
            (*given.layers, made),
            given.files,
            places,
            chain,
            creates=new,
            work=Work("mirror", 0, target=place, shallow=shallow),
            proof=Proof(places, chain),
            copies=min(bound, top.capacity),
            room=min(bound, top.capacity) + (1 << 20),
        )
    )


def _reference(given: Draft, path: str) -> str:
    """The name of what is below as the copy holds it: as the active layer does, where that leads to the same file from there."""
    top, below = given.layers[0], given.layers[1]
    if top.reference is not None and below.path is not None and not top.reference.startswith(("/", "json:")):
        there = os.path.join(os.path.dirname(path), top.reference)
        if os.path.exists(there) and os.path.samefile(there, below.path):
            return top.reference
    return below.path or below.network or ""
