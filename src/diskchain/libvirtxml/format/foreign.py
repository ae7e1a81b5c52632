"""The strangers of a disk, each with its place counted from ``<disk>``, and the order of the known around them."""

from collections.abc import Iterator
from dataclasses import replace

from diskchain.guest.disk import Disk
from diskchain.guest.iotune import IOTUNE_NAMES
from diskchain.libvirtxml.format.style import Style
from diskchain.storage.foreign import Foreign
from diskchain.storage.source import Backing, Source, layers

#: By the name of an element, its known children in the order libvirt writes them.
ORDER: dict[str, tuple[str, ...]] = {
    parent: tuple(names.split())
    for parent, names in {
        "disk": "driver auth source backingStore backenddomain geometry blockio mirror target iotune throttlefilters"
        " readonly shareable transient serial wwn vendor product encryption boot alias acpi address privateData"
        " diskSecretsPlacement",
        "driver": "metadata_cache iothreads",
        "source": "host identity reconnect snapshot config initiator ssl cookies readahead timeout knownHosts address"
        " slices seclabel auth encryption reservations dataStore privateData",
        "backingStore": "format source backingStore",
        "mirror": "format source backingStore",
        "dataStore": "format source",
        "format": "metadata_cache",
        "encryption": "secret cipher ivgen",
        "iotune": " ".join(IOTUNE_NAMES),
    }.items()
}


def strangers_of_disk(disk: Disk, style: Style) -> Iterator[Foreign]:
    """All strangers of a disk and of its layers that ``style`` shows."""
    yield from disk.foreign
    yield from strangers_of_chain(disk.source, style)
    if disk.mirror is not None and not style.inactive:
        yield from strangers_of_chain(disk.mirror.source, style, "mirror")


def strangers_of_chain(top: Source, style: Style, place: str = "") -> Iterator[Foreign]:
    """All strangers of ``top``, which is written at ``place``, and of the layers below it."""
    layer: Backing = top
    if not any(one.foreign or one.data_file for one in layers(top)):
        return
    while isinstance(layer, Source):
        for stranger in layer.foreign:
            yield replace(stranger, place=_join(place, stranger.place))
        if layer.data_file is not None and not (style.inactive and layer.data_file.detected):
            yield from strangers_of_chain(layer.data_file, style, _join(place, "source/dataStore"))
        layer = layer.backing
        if isinstance(layer, Source) and style.inactive and layer.detected:
            return
        place = _join(place, "backingStore")


def _join(place: str, below: str) -> str:
    return f"{place}/{below}" if place and below else place or below
