"""The part of a discovered chain that may be written down for libvirt to rely on. Pure.

libvirt probes nothing above or in a chain that a document spells out, so a document must not say what discovery could
not see: a layer that is missing or unreadable, a format that libvirt would refuse to guess, an end nobody has reached.
"""

from diskchain.discover.chain import BackingChain, Layer, Origin
from diskchain.findings import Severity
from diskchain.storage.location import NetworkLocation, local_path
from diskchain.storage.protocol_options import HttpOptions
from diskchain.storage.source import UNKNOWN, Source, Terminator, stack
from diskchain.storage.terms import Format, Unknown


def certain(chain: BackingChain) -> Source:
    """``chain`` as far down as it is sure, ending UNKNOWN where it was cut; what was declared always stays.

    A remote layer counts as sure when its overlay records its format: that is all libvirt knows of it, too; but not one
    that needs a cookie, which is a secret and stays where it is. A layer whose data file could not be seen is cut off
    with all below it; a declared one loses that data file instead.
    """
    kept: list[Source] = []
    end: Terminator | Unknown = UNKNOWN
    for layer in chain.layers:
        source, below = layer.source, layer.below
        data_seen = layer.data_file is None or not layer.data_file.source.detected or _sure(layer.data_file)
        if source.detected and not (data_seen and _sure(layer)):
            break
        kept.append(source if data_seen else source._replace(data_file=None))
        if not data_seen and (below is None or below.source.detected):
            break
        if not isinstance(source.backing, Source):
            end = UNKNOWN if source.detected and source.format is Format.FAT else source.backing
    return stack(kept, end)


def _sure(layer: Layer) -> bool:
    source = layer.source
    if source.format is None:
        return False
    if layer.origin is Origin.PROBED and any(found.severity is Severity.ERROR for found in layer.findings):
        return False
    location = source.location
    if isinstance(location, NetworkLocation) and isinstance(location.options, HttpOptions) and location.options.cookies:
        return False
    is_fat = source.format is Format.FAT and layer.facts is not None  # a directory has no header
    return layer.header is not None or local_path(location) is None or is_fat
