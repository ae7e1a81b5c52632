"""``snapshot``: a new overlay over the active layer, which the guest writes from then on; what it had stays as it is."""

import os

from diskchain.findings import finding
from diskchain.jobs.plan import NewFile, Plan, PlannedLayer, Proof
from diskchain.jobs.planning.commit import Planned
from diskchain.jobs.planning.draft import LONGEST_REFERENCE, Draft, in_plain
from diskchain.storage.terms import Format


def default_overlay(path: str) -> str:
    """A name beside ``path`` that nothing has: ``disk.qcow2`` becomes ``disk.1.qcow2``, that ``disk.2.qcow2``."""
    directory, name = os.path.split(path)
    stem, dot, ending = name.rpartition(".")
    if not stem or ending.isdigit():
        stem, dot, ending = name, ".", "qcow2"
    front, point, number = stem.rpartition(".")
    if point and number.isdigit() and len(number) < 6:  # noqa: PLR2004 - a date is no number of ours
        stem, count = front, int(number)
    else:
        count = 0
    while True:
        count += 1
        found = os.path.join(directory, f"{stem}.{count}{dot}{'qcow2' if ending in ('raw', 'img') else ending}")
        if not os.path.lexists(found):
            return found


def plan_snapshot(given: Draft, overlay: str | None = None) -> Planned:
    """A new qcow2 image ``overlay`` over the top of the chain. Its header names the top as the headers there name theirs."""
    if given.refused:
        return Planned(None, given.refused)
    top = given.layers[0]
    plain = in_plain(given, range(len(given.layers)), None)
    if plain:
        return Planned(None, tuple(plain))
    if top.path is None and overlay is None:
        return Planned(None, (finding("job-format", f"say where the overlay of {top.name} shall be", file=top.name),))
    path = os.path.abspath(overlay) if overlay is not None else default_overlay(top.path or "")
    if os.path.lexists(path):
        return Planned(
            None, (finding("job-target", f"{path} is there already: nothing is written over it", file=path),)
        )
    beside = top.path is not None and os.path.realpath(os.path.dirname(path)) == os.path.realpath(
        os.path.dirname(top.path)
    )
    relative = beside and all("/" not in (layer.reference or "") for layer in given.layers if layer.reference)
    stored = top.reference is not None and relative
    reference = os.path.basename(top.path or "") if stored else top.path or top.network or ""
    if len(os.fsencode(reference)) > LONGEST_REFERENCE:
        return Planned(
            None, (finding("job-reference", f"the name of {top.name} is too long for a header", file=top.name),)
        )
    place = len(given.layers)
    new = NewFile(place, path, Format.QCOW2, top.capacity, top.path or path, reference, str(top.format))
    made = PlannedLayer(path, Format.QCOW2, top.capacity, path, reference=reference, reference_format=str(top.format))
    places = tuple(range(place))
    return Planned(
        Plan(
            "snapshot",
            given.target,
            given.disk,
            (*given.layers, made),
            given.files,
            places,
            (place, *places),
            creates=new,
            proof=Proof(places, (place, *places), empty=True),
            room=1 << 20,
        )
    )
