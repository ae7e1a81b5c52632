"""``rebase``: an overlay over another backing file, reading the same.

Where the new one is further down in its own chain, that is a pull. Else what differs is gathered in a temporary image over the overlay,
which ``qemu-img rebase`` fills (its pointer may stand anywhere meanwhile: nobody uses it), and goes from there into the overlay, where the
old chain hides nothing of it: it is what the old chain reads as. The pointer comes last, as ever.
"""

import os
from dataclasses import replace

from diskchain.findings import Finding, finding
from diskchain.jobs.plan import NewFile, Plan, PlannedLayer, Proof, Repoint, SeenFile, Work
from diskchain.jobs.planning.commit import Planned
from diskchain.jobs.planning.draft import LONGEST_REFERENCE, Draft, allocated, with_changed
from diskchain.jobs.planning.pull import plan_pull
from diskchain.storage.terms import Format


def plan_rebase(given: Draft, onto: Draft, *, metadata_only: bool = False) -> Planned:
    """The top of ``given`` over the chain ``onto``. ``metadata_only``: no data are copied; both chains have to read the same as they are."""
    if given.refused or onto.refused:
        return Planned(None, (*given.refused, *onto.refused))
    top, base = given.layers[0], onto.layers[0]
    if top.format is not Format.QCOW2 or top.path is None or base.path is None:
        message = f"{top.name} is {top.format}, {base.name} {base.format}: a job moves pointers in qcow2 images, to files on this host"
        return Planned(None, (finding("job-format", message, file=top.name),))
    known = _places(given)
    inside = known.get(_identity(onto, base))
    if inside == 0 or any(known.get(_identity(onto, layer)) == 0 for layer in onto.layers):
        return Planned(
            None, (finding("job-chain", f"{base.name} is {top.name} itself, or stands on it", file=base.name),)
        )
    if inside is not None and not metadata_only:
        planned = plan_pull(given, inside)
        return replace(planned, plan=None if planned.plan is None else replace(planned.plan, verb="rebase"))
    return _elsewhere(given, onto, known, metadata_only=metadata_only)


def _elsewhere(given: Draft, onto: Draft, known: dict[tuple[int, int] | None, int], *, metadata_only: bool) -> Planned:
    layers, new, top = list(given.layers), [0], given.layers[0]
    for layer in onto.layers:
        place = known.get(_identity(onto, layer))
        if place is None:
            place = len(layers)
            layers.append(layer)
        new.append(place)
    assert top.path is not None  # noqa: S101 (the caller has looked)
    pointer = Repoint(0, top.path, top.reference, top.reference_format, _name(given, onto), str(onto.layers[0].format))
    places = tuple(range(len(given.layers)))
    plan = Plan(
        "rebase",
        given.target,
        given.disk,
        tuple(layers),
        tuple(dict.fromkeys((*given.files, *onto.files))),
        places,
        tuple(new),
        proof=Proof(places, tuple(new)),
        repoints=(pointer,),
    )
    refused: list[Finding] = []
    if len(os.fsencode(pointer.new or "")) > LONGEST_REFERENCE:
        refused.append(finding("job-reference", f"{pointer.new} is too long a name for a header", file=top.name))
    if metadata_only:
        return Planned(plan, tuple(refused))
    if any(layer.encrypted is not None for layer in layers):
        message = f"{given.target} has encrypted layers: over another chain a job puts it with --metadata-only alone"
        refused.append(finding("job-secret", message, file=top.name))
    bound = min(top.capacity, allocated(given, places) + allocated(onto, range(len(onto.layers))))
    return Planned(_with_difference(plan, top, bound), tuple(refused))


def _with_difference(plan: Plan, top: PlannedLayer, bound: int) -> Plan:
    place, path = len(plan.layers), f"{top.path}.diskchain-rebase"
    like = top.path or path
    new = NewFile(place, path, Format.QCOW2, top.capacity, like, like, "qcow2", temporary=True)
    made = PlannedLayer(path, Format.QCOW2, top.capacity, path, reference=like, reference_format="qcow2")
    return replace(
        plan,
        layers=(*with_changed(plan.layers, (0,)), made),
        creates=new,
        work=Work("difference", 0, plan.new[1], place),
        copies=2 * bound,
        room=2 * bound,
    )


def _name(given: Draft, onto: Draft) -> str:
    """As the overlay names what is below it now: without a directory where both files are in one."""
    top, base = given.layers[0], onto.layers[0].path or ""
    directory = os.path.dirname(top.path or "")
    plain = top.reference is not None and "/" not in top.reference and not top.reference.startswith("json:")
    return os.path.basename(base) if plain and os.path.dirname(base) == directory else base


def _places(given: Draft) -> dict[tuple[int, int] | None, int]:
    found = {_identity(given, layer): place for place, layer in enumerate(given.layers)}
    found.pop(None, None)
    return found


def _identity(given: Draft, layer: PlannedLayer) -> tuple[int, int] | None:
    seen: SeenFile | None = next((each for each in given.files if each.path == layer.path), None)
    return None if seen is None else (seen.device, seen.inode)
