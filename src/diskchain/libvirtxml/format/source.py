"""``<source>``, ``<backingStore>`` and ``<dataStore>``.

Source: libvirt 11.3.0 (``virDomainDiskSourceFormat``, ``virDomainDiskBackingStoreFormat``,
``virDomainDiskDataStoreFormat``).
"""

from dataclasses import dataclass

from diskchain.errors import UsageError
from diskchain.guest.terms import StartupPolicy
from diskchain.libvirtxml.format.network import network_parts
from diskchain.libvirtxml.format.runtime import source_runtime
from diskchain.libvirtxml.format.secrets import auth_element, encryption_element, seclabel_element
from diskchain.libvirtxml.format.style import Style
from diskchain.libvirtxml.markup.writer import attribute, element, escape, yes_no
from diskchain.libvirtxml.vocabulary import FORMAT_WORDS, TYPE_WORDS
from diskchain.storage.location import (
    BlockLocation,
    DirLocation,
    FileLocation,
    Location,
    NetworkLocation,
    NvmeLocation,
    VhostUserLocation,
    VhostVdpaLocation,
    VolumeLocation,
)
from diskchain.storage.source import Backing, Reservations, Source, Terminator
from diskchain.storage.terms import Format


@dataclass(frozen=True, slots=True)
class Within:
    """What the element around ``<source>`` decides: where the index goes, and what it has already said itself."""

    indexed: bool = False
    startup_policy: StartupPolicy | None = None
    auth_outside: bool = False
    encryption_outside: bool = False


_BACKING = Within()
_INDEXED = Within(indexed=True)


def format_name(format: Format) -> str:
    """The name libvirt has for a format. Raises UsageError for ``luks``: to libvirt that is raw and ``<encryption>``."""
    word = FORMAT_WORDS.get(format)
    if word is None:
        raise UsageError(f"libvirt has no format {format}: it takes raw with <encryption>")
    return word


def source_element(pad: str, source: Source, style: Style, within: Within = _INDEXED, name: str = "source") -> str:
    """The element that says where a layer is; nothing for an empty drive."""
    location = source.location
    attributes, inside = _location(pad + "  ", location, style)
    policy = within.startup_policy
    plain = _is_plain(source) and not style.status
    if policy is not None or not plain:
        actual = location.actual if style.status and isinstance(location, VolumeLocation) else None
        networked = isinstance(actual or location, NetworkLocation)
        if policy is not None and not networked:
            attributes += f" startupPolicy='{policy}'"
        if not plain:
            inside += _inside(pad + "  ", source, style, within, networked=networked)
    if within.indexed and source.chain_index and not style.inactive:
        attributes += f" index='{source.chain_index}'"
    return element(pad, name, attributes, inside)


def _is_plain(source: Source) -> bool:
    return not (
        source.slice or source.seclabels or source.auth or source.encryption or source.reservations or source.data_file
    )


def _inside(pad: str, source: Source, style: Style, within: Within, *, networked: bool) -> str:
    lines: list[str] = []
    if source.slice is not None:
        window = f" type='storage' offset='{source.slice.offset}' size='{source.slice.size}'"
        lines.append(element(pad, "slices", "", element(pad + "  ", "slice", window)))
    if not networked:  # libvirt reads labels of network storage and never writes them
        lines += [seclabel_element(pad, label, style) for label in source.seclabels]
    if source.auth is not None and not within.auth_outside and not isinstance(source.location, VolumeLocation):
        lines.append(auth_element(pad, source.auth))
    if source.encryption is not None and not within.encryption_outside:
        lines.append(encryption_element(pad, source.encryption))
    if source.reservations is not None:
        lines.append(_reservations(pad, source.reservations, style))
    if source.data_file is not None:
        lines.append(data_store_element(pad, source.data_file, style))
    if style.status:
        lines.append(source_runtime(pad, source.runtime))
    return "".join(lines)


def _location(pad: str, location: Location, style: Style) -> tuple[str, str]:
    """The attributes, and the lines inside, that say where."""
    if isinstance(location, FileLocation):
        path = f" file='{escape(location.path)}'" if location.path else ""
        return path if location.fdgroup is None else path + attribute("fdgroup", location.fdgroup), ""
    if isinstance(location, BlockLocation):
        return attribute("dev", location.path or None), ""
    if isinstance(location, NetworkLocation):
        return network_parts(pad, location, style)
    if isinstance(location, DirLocation):
        return attribute("dir", location.path or None), ""
    if isinstance(location, VolumeLocation):
        return _volume(pad, location, style)
    if isinstance(location, NvmeLocation):
        at = location.address
        inside = f" domain='0x{at.domain:04x}' bus='0x{at.bus:02x}' slot='0x{at.slot:02x}' function='0x{at.function:x}'"
        return (
            f" type='pci'{attribute('managed', yes_no(location.managed))} namespace='{location.namespace}'",
            element(pad, "address", inside),
        )
    if isinstance(location, VhostVdpaLocation):
        return attribute("dev", location.path), ""
    return _vhost_user(pad, location)


def _volume(pad: str, location: VolumeLocation, style: Style) -> tuple[str, str]:
    if not location.pool and not location.volume:
        return "", ""
    attributes = f" pool='{escape(location.pool)}' volume='{escape(location.volume)}'{attribute('mode', location.mode)}"
    if not style.status or location.actual is None:
        return attributes, ""
    actual, inside = _location(pad, location.actual, style)
    return f"{attributes} actualType='{location.actual.type}'{actual}", inside


def _vhost_user(pad: str, location: VhostUserLocation) -> tuple[str, str]:
    attributes = f" type='unix'{attribute('path', location.path)}"
    if location.reconnect is None:
        return attributes, ""
    timeout = f" timeout='{location.reconnect_timeout or 0}'" if location.reconnect else ""
    return attributes, f"{pad}<reconnect enabled='{yes_no(location.reconnect)}'{timeout}/>\n"


def _reservations(pad: str, reservations: Reservations, style: Style) -> str:
    start = f"{pad}<reservations managed='{yes_no(reservations.managed)}'"
    if reservations.socket is None or (reservations.managed and style.migratable):
        return f"{start}/>\n"
    socket = f"{pad}  <source type='unix'{attribute('path', reservations.socket)} mode='client'/>\n"
    return f"{start}>\n{socket}{pad}</reservations>\n"


def data_store_element(pad: str, data_file: Source, style: Style) -> str:
    """qcow2's external data file, which is always raw."""
    if style.inactive and data_file.detected:
        return ""
    inner = pad + "  "
    return (
        f"{pad}<dataStore type='{data_file.location.type}'>\n{inner}<format type='raw'/>\n"
        f"{source_element(inner, data_file, style)}{pad}</dataStore>\n"
    )


def metadata_cache_element(pad: str, size: int | None) -> str:
    """The most memory a layer's metadata may take."""
    if not size:
        return ""
    return f"{pad}<metadata_cache>\n{pad}  <max_size unit='bytes'>{size}</max_size>\n{pad}</metadata_cache>\n"


def backing_element(pad: str, backing: Backing, style: Style) -> str:
    """Everything below a layer: nothing when nothing is known, or when a configuration need not know."""
    starts: list[str] = []
    ends: list[str] = []
    while isinstance(backing, Source) and not (backing.detected and style.inactive):
        inner = pad + "  "
        index = f" index='{backing.chain_index}'" if backing.chain_index and not style.inactive else ""
        source = _plain_source(inner, backing, style) or source_element(inner, backing, style, _BACKING)
        word = None if backing.metadata_cache or backing.format is None else FORMAT_WORDS.get(backing.format)
        format = f"{inner}<format type='{word}'/>\n" if word is not None else _format(inner, backing)
        starts.append(f"{pad}<backingStore type='{TYPE_WORDS[backing.location.type]}'{index}>\n{format}{source}")
        ends.append(f"{pad}</backingStore>\n")
        backing, pad = backing.backing, inner
    if isinstance(backing, Terminator) and not (backing.detected and style.inactive):
        starts.append(f"{pad}<backingStore/>\n")
    ends.reverse()
    return "".join(starts) + "".join(ends)


def _plain_source(pad: str, layer: Source, style: Style) -> str | None:
    """The commonest layer by far: a file and nothing else."""
    location = layer.location
    if isinstance(location, FileLocation) and location.path and location.fdgroup is None:
        return f"{pad}<source file='{escape(location.path)}'/>\n" if _is_plain(layer) and not style.status else None
    return None


def _format(pad: str, layer: Source) -> str:
    if layer.format is None:
        raise UsageError("a backing store needs a format")
    cache = metadata_cache_element(pad + "  ", layer.metadata_cache)
    return element(pad, "format", f" type='{format_name(layer.format)}'", cache)
