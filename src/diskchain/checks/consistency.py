"""What a discovered chain says once all of it is known: sizes, ids, flags, references and modes that do not fit together.

The walk says what stops it; this says what lets it pass and still deserves a word. Pure, unless directories are given to
check against. Two steps: a few plain tests find the layers that could have a finding (nearly none has), and those are looked
at in full, by :mod:`~diskchain.checks.remarks`. Words are in ``messages``.

What counts as a finding, where opinions differ:

* An overlay *larger* than its base is how cloud images are used: a note. *Smaller* hides data: a warning.
* An absolute reference is a note only where a relative name would serve, that is, beside or below the overlay.
* ``dirty`` is the normal state of a top image in use: a note, except where QEMU would refuse it; in a base, a warning.
* One chain cannot show who else writes to its base; the other attached disks can: :mod:`~diskchain.checks.relations`. A group that may write to
  a shared base is how oVirt runs: a note. Everybody: a warning, always.
"""

from collections.abc import Mapping
from stat import S_IWOTH
from typing import TYPE_CHECKING, Final

from diskchain.discover.chain import BackingChain, Layer, Origin
from diskchain.findings import Finding
from diskchain.image.header import BackingReference
from diskchain.storage.location import describe_location, local_path

if TYPE_CHECKING:
    from diskchain.checks.relations import FileIdentity, Use

_DECLARED: Final = Origin.DECLARED
#: How backing strings begin that libvirt follows and that deserve a word: ``json:`` and ``rbd:``.
_TELLING: Final = frozenset({"js", "rb"})

#: Layers of which nothing is to be said whatever is above them, by the ``id`` of the first, which is kept alive: how many, and the last.
Quiet = dict[int, tuple[Layer, int, Layer]]


def examine(
    chain: BackingChain,
    *,
    depth_warning: int = 30,
    allowed: tuple[str, ...] = (),
    used: "Mapping[FileIdentity, Use] | None" = None,
    quiet: Quiet | None = None,
) -> tuple[tuple[int, Finding], ...]:
    """Findings and the positions of their layers, the top being 0. Never raises.

    ``depth_warning``: layers a chain may have. ``allowed``: directories that every layer below the top should be in, symlinks
    resolved; empty: anywhere. ``used``: from :func:`~diskchain.checks.relations.uses`. ``quiet``: empty at first, then the same for chains that share layers and
    are examined with the same ``allowed`` and ``used``: what is known to be in order is passed over.
    """
    found: list[tuple[int, Finding]] = []
    above: Layer | None = None
    layer: Layer | None = chain.top
    position = 0
    extended = False
    while layer is not None:
        if quiet and position and (known := quiet.get(id(layer))) is not None:
            position, above = position + known[1], known[2]
            break
        extended = extended or layer.extents != ()
        if allowed or not _unremarkable(layer, above) or (used and _is_used(layer, used)):
            from diskchain.checks.remarks import remarks

            found += [(position, each) for each in remarks(layer, above, allowed, used or {})]
        header = layer.header
        named = header.backing if header is not None else None
        if header is not None and named is not None and named.text[:1] == "/":
            absolute = _absolute(layer, named)
            if absolute is not None:
                found.append((position, absolute))
        above, layer = layer, layer.below
        position += 1
    if quiet is not None and above is not None and not extended and all(at == 0 for at, _ in found):
        below = chain.top.below
        if below is not None and id(below) not in quiet:
            quiet[id(below)] = below, position - 1, above
    if position > depth_warning and above is not None and all(each.id != "too-deep" for each in above.findings):
        from diskchain.checks import messages as observations

        found.insert(0, (0, observations.deep(describe_location(chain.top.source.location), position, depth_warning)))
    if extended:
        from diskchain.checks.overlaps import shared_bytes

        found += shared_bytes(chain)
    return tuple(found)


def _unremarkable(layer: Layer, above: Layer | None) -> bool:
    """Whether plain tests already show that nothing is to be said, absolute references apart; False means: look closer."""
    source, below, _, header, facts, _, data_file, extents = layer
    if header is None:
        if below is not None or facts is not None:
            return False
    else:
        named, features = header.backing, header.features
        if (
            header.dirty
            or header.corrupt
            or header.remarks
            or header.identity is not None
            or header.encryption is not None
            or header.data_file is not None
            or data_file is not None
            or extents
            or (features is not None and features.unknown_incompatible)
            or (named is not None and named.text[:2] in _TELLING)
        ):
            return False
        if below is not None:
            base = below.header
            if below.origin is _DECLARED or (base is not None and base.capacity != header.capacity):
                return False
    if facts is not None and (
        facts.type is not source[0][-1] or (above is not None and facts.mode is not None and facts.mode & S_IWOTH)
    ):
        return False
    path = source[0][0]  # of a local location; other locations have something else there
    return path.__class__ is not str or path[:1] == "/"


def _absolute(layer: Layer, named: BackingReference) -> Finding | None:
    """Where the header names a file beside or below its own by an absolute path, a relative one would do."""
    text, path = named.text, layer.source[0][0]
    if path.__class__ is not str or not text.startswith(path[: path.rfind("/") + 1]):
        return None
    directory, _, _ = (local_path(layer.source.location) or "").rpartition("/")
    relative = text[len(directory) :].lstrip("/")
    if not directory or not relative:
        return None
    from diskchain.checks import messages as observations

    return observations.absolute(describe_location(layer.source.location), text)


def _is_used(layer: Layer, used: "Mapping[FileIdentity, Use]") -> bool:
    return layer.facts is not None and layer.facts.identity in used
