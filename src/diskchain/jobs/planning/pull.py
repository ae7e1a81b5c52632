"""``pull``: a layer takes in what is between it and a layer further down, and names that one then, or nothing.

What the layer reads as does not change at any instant, over its old layers or its new ones; nothing else is written to.
"""

from diskchain.errors import UsageError
from diskchain.findings import Finding, finding
from diskchain.jobs.plan import Plan, Proof, Work
from diskchain.jobs.planning.commit import Planned
from diskchain.jobs.planning.draft import Draft, allocated, in_plain, position, repoint, with_changed
from diskchain.storage.terms import Format


def plan_pull(given: Draft, base: int | None = None, top: int = 0) -> Planned:
    """What is below ``top`` (a place in the chain, 0 the active layer), down to above ``base`` (None: all of it), goes into ``top``.

    Raises UsageError for places that make no range.
    """
    if given.refused:
        return Planned(None, given.refused)
    top = position(given, top, "layer")
    places = tuple(range(len(given.layers)))
    if base is not None and position(given, base, "base") <= top:
        raise UsageError("the base has to be below the layer that takes in the data")
    end = len(places) if base is None else base
    if top + 1 >= end:
        return Planned(Plan("pull", given.target, given.disk, given.layers, given.files, places, places))
    pointer, refused = repoint(given, top, base)
    refused += _sizes(given, top, base)
    refused += in_plain(given, range(top + 1, end), given.layers[top])
    if given.layers[top].format is not Format.QCOW2 or pointer is None:
        return Planned(None, tuple(refused))
    bound = allocated(given, range(top + 1, end))
    plan = Plan(
        "pull",
        given.target,
        given.disk,
        with_changed(given.layers, (top,)),
        given.files,
        places,
        places[: top + 1] + places[end:],
        work=Work("stream", top, base),
        proof=Proof(places[top:], (top, *places[end:])),
        repoints=(pointer,),
        copies=bound,
        room=bound,
    )
    return Planned(plan, tuple(refused))


def _sizes(given: Draft, top: int, base: int | None) -> list[Finding]:
    """A layer that goes hides what the base has behind its end, as far as the layer above reaches."""
    if base is None:
        return []
    reach = min(given.layers[base].capacity, given.layers[top].capacity)
    smaller = [layer for layer in given.layers[top + 1 : base] if layer.capacity < reach]
    if not smaller:
        return []
    below = given.layers[base]
    message = f"{below.name} is larger than {smaller[0].name} above it: the disk would have what is behind the end now"
    return [finding("job-sizes", message, file=below.name, referrer=smaller[0].name)]
