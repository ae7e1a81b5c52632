"""``commit``: what a range of layers holds goes into its base, and the layer above the range names the base then.

The base is written to while the old chain is in force. That is safe for the disk, whose old layers still cover what is written; not for
anything else that reads the base.
"""

from dataclasses import dataclass

from diskchain.errors import UsageError
from diskchain.findings import Finding, Severity, finding
from diskchain.jobs.plan import Plan, Proof, Repoint, Work
from diskchain.jobs.planning.draft import WRITABLE, Draft, allocated, in_plain, position, repoint, with_changed


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what is to be said of it; None where something of that is an error."""

    plan: Plan | None
    findings: tuple[Finding, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether it cannot be carried out."""
        return self.plan is None or any(found.severity is Severity.ERROR for found in self.findings)


def plan_commit(given: Draft, top: int = 0, base: int | None = None, *, delete: bool = False) -> Planned:
    """Layers from ``top`` (a place in the chain, 0 the active layer) down to above ``base`` (default: the last) go into ``base``.

    ``delete``: their files go, too, once that is proven. Raises UsageError for places that make no range.
    """
    if given.refused:
        return Planned(None, given.refused)
    top = position(given, top, "top")
    base = position(given, len(given.layers) - 1 if base is None else base, "base")
    if top == base and len(given.layers) == 1:
        return Planned(_plan(given, top, base, (), delete=False))
    if top >= base:
        raise UsageError("the base has to be below the top")
    refused = [*_sizes(given, top, base), *_formats(given, base), *_lost(given, range(top, base), delete=delete)]
    refused += in_plain(given, range(top, base), given.layers[base])
    pointers: tuple[Repoint, ...] = ()
    if top > 0:
        pointer, more = repoint(given, top - 1, base)
        refused += more
        pointers = () if pointer is None else (pointer,)
    return Planned(_plan(given, top, base, pointers, delete=delete), tuple(refused))


def _plan(given: Draft, top: int, base: int, pointers: tuple[Repoint, ...], *, delete: bool) -> Plan:
    places = tuple(range(len(given.layers)))
    if top == base:  # nothing below: there is nothing to merge
        return Plan("commit", given.target, given.disk, given.layers, given.files, places, places)
    bound = allocated(given, range(top, base))
    gone = [
        path for place in range(top, base) for layer in (given.layers[place],) for path in (layer.path, layer.data_file)
    ]
    return Plan(
        "commit",
        given.target,
        given.disk,
        with_changed(given.layers, (base,)),
        given.files,
        places,
        places[:top] + places[base:],
        work=Work("commit", top, base),
        proof=Proof(places[top:], places[base:]),
        repoints=pointers,
        delete=tuple(path for path in gone if path is not None) if delete else (),
        copies=bound,
        room=bound,
    )


def _sizes(given: Draft, top: int, base: int) -> list[Finding]:
    """A base that is larger than a layer over it holds data there that nobody reads now, and would then."""
    below = given.layers[base]
    smaller = [layer for layer in given.layers[top:base] if layer.capacity < below.capacity]
    if not smaller:
        return []
    message = (
        f"{below.name} has {below.capacity} bytes and {smaller[0].name} above it {smaller[0].capacity}: after the merge "
        "the disk would have what is behind the end now"
    )
    return [finding("job-sizes", message, file=below.name, referrer=smaller[0].name)]


def _formats(given: Draft, base: int) -> list[Finding]:
    layer = given.layers[base]
    if layer.format in WRITABLE and (layer.path is not None or layer.network is not None):
        return []
    return [finding("job-format", f"{layer.name} is {layer.format}, which no job writes to", file=layer.name)]


def _lost(given: Draft, places: range, *, delete: bool) -> list[Finding]:
    """What is inside layers that leave the chain, and does not come along."""
    found = []
    layers = [*given.chain]
    for place in places:
        header, name = layers[place].header, given.layers[place].name
        if header is None:
            continue
        if header.snapshot_count and delete:
            message = f"{name} holds {header.snapshot_count} internal snapshots, which would be deleted with it"
            found.append(finding("job-snapshots", message, file=name))
        if header.features is not None and "bitmaps" in header.features.autoclear:
            message = (
                f"{name} holds dirty bitmaps, which do not go along: the next incremental backup has to be a full one"
            )
            found.append(finding("job-bitmaps", message, file=name))
    return found
