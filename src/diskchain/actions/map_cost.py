"""What a commit, pull, copy or rebase of a disk would move, and whether there is room for it; nothing is changed."""

import os
from typing import TYPE_CHECKING, Final

from diskchain.actions.map import DiskMap
from diskchain.actions.select_layer import position_of
from diskchain.allocation.forecast import Forecast
from diskchain.discover import BackingChain
from diskchain.errors import DiskchainError, LayerNotFound, UsageError
from diskchain.storage.location import describe_location, local_path
from diskchain.storage.source import Source
from diskchain.system.deadline import within

if TYPE_CHECKING:
    from diskchain.actions.examined import Settings
    from diskchain.allocation.cost import Cost
    from diskchain.allocation.layer_map import LayerMap

OPERATIONS: Final = ("commit", "pull", "copy", "rebase")


def forecast(found: DiskMap, operation: str, top: str | None, base: str | None, settings: "Settings") -> Forecast:
    """The cost of ``operation``. ``top``, ``base``: names of layers, as every verb takes them; None: the top, and the last.

    Of a rebase, ``base`` is what the top is to be over: a layer, another image, or "" for nothing. Raises UsageError, LayerNotFound,
    MissingExtra.
    """
    from diskchain.allocation.cost import commit_cost, copy_cost, pull_cost, rebase_cost

    names = found.layers
    at = 0 if top is None else _position(found, top, settings)
    chain = _from(found, at, settings)
    if operation == "copy":
        return _said(operation, names[at], None, None, copy_cost(chain), None)
    if operation == "rebase":
        new = None if base == "" else _chain_named(found, base, settings)
        writes = chain.chain.top
        return _said(operation, names[at], base, _path(writes.source), rebase_cost(chain, new), settings.timeout)
    last = len(names) - 1
    end = (last if operation == "commit" else None) if base is None else _position(found, base, settings)
    if end is not None and end <= at:
        raise UsageError(f"the base has to be below the top: {names[end]} is not below {names[at]}")
    if operation == "commit":
        assert end is not None  # noqa: S101  # a commit has a base
        cost, target = commit_cost(chain, end - at), found.map.chain[end]
    else:
        cost, target = pull_cost(chain, None if end is None else end - at), chain.chain.top
    name = None if end is None else names[end]
    return _said(operation, names[at], name, _path(target.source), cost, settings.timeout)


def _said(
    operation: str, top: str, base: str | None, writes: str | None, cost: "Cost", seconds: float | None
) -> Forecast:
    room = None if writes is None or seconds is None else _room(writes, seconds)
    return Forecast(
        operation,
        top,
        base,
        writes,
        cost.copies,
        cost.zeroes,
        cost.growth,
        cost.growth_at_most,
        cost.loses,
        cost.frees,
        room,
        cost.unknown,
    )


def _path(source: Source) -> str:
    return describe_location(source.location)


def _room(path: str, seconds: float) -> int | None:
    """What is free for us where ``path`` is; None where nobody can tell."""
    try:
        found = within(seconds, path, lambda: os.statvfs(os.path.dirname(path) or "."))
    except (OSError, DiskchainError):
        return None
    return found.f_bavail * found.f_frsize


def _position(found: DiskMap, name: str, settings: "Settings") -> int:
    place = position_of(found.disk.name, found.disk.whole.source, name, settings.timeout) - found.disk.first
    if place < 0:
        raise UsageError(f"{name} is above what was asked for")
    return place


def _from(found: DiskMap, at: int, settings: "Settings") -> "LayerMap":
    """The map of the chain from the layer at ``at`` down."""
    from diskchain.actions.layer_opener import opener_of
    from diskchain.allocation.layer_map import LayerMap

    if not at:
        return found.map
    below = BackingChain(found.map.chain[at])
    return LayerMap(below, opener=opener_of(found.disk, settings), seconds=settings.timeout)


def _chain_named(found: DiskMap, base: str | None, settings: "Settings") -> "LayerMap":
    if base is None:
        raise UsageError("a rebase onto what? Name a layer or an image with --base; --base '' for none")
    try:
        return _from(found, _position(found, base, settings), settings)
    except LayerNotFound:
        if local_path(found.disk.whole.source.location) is None or not os.path.exists(base):
            raise
    from diskchain.actions.chains import examine_one
    from diskchain.actions.map import map_disks
    from diskchain.actions.target import TargetName

    (other,) = map_disks(examine_one(TargetName(base, timeout=settings.timeout), settings), (), settings)
    return other.map
