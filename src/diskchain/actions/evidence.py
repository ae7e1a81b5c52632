"""Copies of another host, and evidence: what is found is told of, and no command comes with it that would write, or would run in the wrong place.

With ``as_opened`` layers are called as they are opened here: for block nodes and keys, which this host's QEMU gets.
"""

from functools import partial

from diskchain.actions.examined import Examined, Settings
from diskchain.checks.annotate import rewritten
from diskchain.discover.chain import BackingChain, Layer, layer_of
from diskchain.errors import UsageError, printable
from diskchain.findings import Finding
from diskchain.readers.places import Places
from diskchain.storage.location import BlockLocation, DirLocation, FileLocation, describe_location, local_path
from diskchain.storage.source import Source


def of_another_host(target: Examined, settings: Settings) -> Examined:
    """``target`` without commands; its layers as they are opened here, if that is wanted."""
    disks = []
    for disk in target.disks:
        whole = rewritten(disk.whole, without_command)
        if settings.as_opened and settings.places is not None:
            disks.append(disk._replace(whole=as_opened(whole, settings.places), places=None))
        else:
            disks.append(disk._replace(whole=whole))
    return target.with_parts(tuple(disks), tuple(map(without_command, target.said)))


def without_command(found: Finding) -> Finding:
    """The same finding without the command that would mend it."""
    return found if found.fix is None else found._replace(fix=None)


def as_opened(chain: BackingChain, places: Places) -> BackingChain:
    """``chain`` with the paths of this host, symlinks followed as they were. Raises UsageError for what QEMU would open by another path."""
    opened = partial(_part, places=places)
    layer: Layer | None = None
    for each in reversed(tuple(chain)):
        data = None if each.data_file is None else opened(each.data_file)
        extents = tuple(map(opened, each.extents))
        if any(map(_is_elsewhere, each.extents, extents)):
            raise UsageError(
                f"QEMU opens the extents of {printable(describe_location(each.source.location))} by their stored names, which lie elsewhere here"
            )
        source = _opened(each.source, places)
        source = source._replace(
            backing=source.backing if layer is None else layer.source,
            data_file=source.data_file if data is None else data.source,
            extents=tuple(extent.source for extent in extents) if extents else source.extents,
        )
        layer = layer_of(source, layer, each.origin, each.header, each.facts, each.findings, data, extents)
    assert layer is not None  # noqa: S101 (a chain has a layer)
    return BackingChain(layer)


def _part(layer: Layer, places: Places) -> Layer:
    return layer._replace(source=_opened(layer.source, places))


def _is_elsewhere(stored: Layer, opened: Layer) -> bool:
    return stored.source.location != opened.source.location


def _opened(source: Source, places: Places) -> Source:
    path, location = local_path(source.location), source.location
    if path is None or not isinstance(location, FileLocation | BlockLocation | DirLocation):
        return source
    return source._replace(location=location._replace(path=places.opened(path)))
