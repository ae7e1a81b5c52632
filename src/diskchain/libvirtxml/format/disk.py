"""``<disk>``. Source: libvirt 11.3.0 (``virDomainDiskDefFormat``)."""

from diskchain.guest.disk import Disk
from diskchain.guest.iotune import IOTUNE_NAMES, IoTune
from diskchain.guest.mirror import Mirror
from diskchain.guest.target import BlockIo, Geometry, Target
from diskchain.guest.terms import DiskBus, MirrorJob, SnapshotPolicy, Tray
from diskchain.libvirtxml.format.address import acpi_element, address_element, alias_element, boot_element
from diskchain.libvirtxml.format.driver import driver_element
from diskchain.libvirtxml.format.runtime import disk_runtime
from diskchain.libvirtxml.format.secrets import auth_element, encryption_element
from diskchain.libvirtxml.format.source import (
    Within,
    backing_element,
    format_name,
    metadata_cache_element,
    source_element,
)
from diskchain.libvirtxml.format.style import Style
from diskchain.libvirtxml.markup.writer import attribute, element, leaf, switch, yes_no
from diskchain.storage.location import FileLocation


def disk_element(pad: str, disk: Disk, style: Style) -> str:
    """One disk, its chain included; nothing of what is foreign to the model."""
    source, inner = disk.source, pad + "  "
    auth = source.auth if disk.auth_in_disk else None
    encryption = source.encryption if disk.encryption_in_disk else None
    within = Within(
        indexed=True,
        startup_policy=disk.startup_policy,
        auth_outside=disk.auth_in_disk,
        encryption_outside=disk.encryption_in_disk,
    )
    info = disk.info
    lines = [
        driver_element(inner, disk.driver, source),
        "" if auth is None else auth_element(inner, auth),
        source_element(inner, source, style, within),
        backing_element(inner, source.backing, style),
        _between(inner, disk, style),
        _target(inner, disk.target),
        "" if disk.iotune is None else _iotune(inner, disk.iotune),
        _throttle_filters(inner, disk.throttle_filters) if disk.throttle_filters else "",
        f"{inner}<readonly/>\n" if source.readonly else "",
        f"{inner}<shareable/>\n" if source.shared else "",
        _transient(inner, disk) if disk.transient else "",
        leaf(inner, "serial", disk.serial),
        leaf(inner, "wwn", disk.wwn),
        leaf(inner, "vendor", disk.vendor),
        leaf(inner, "product", disk.product),
        "" if encryption is None else encryption_element(inner, encryption),
        boot_element(inner, info),
        alias_element(inner, info, style),
        acpi_element(inner, info),
        address_element(inner, info.address),
    ]
    if style.status:
        lines.append(disk_runtime(inner, disk.runtime))
        placed = (" auth='true'" if disk.auth_in_disk else "") + (" enc='true'" if disk.encryption_in_disk else "")
        lines.append(element(inner, "diskSecretsPlacement", placed))
    return f"{pad}<disk{_attributes(disk)}>\n{''.join(lines)}{pad}</disk>\n"


def _attributes(disk: Disk) -> str:
    """A read-only disk takes no part in snapshots anyway: libvirt does not print that."""
    snapshot = None if disk.snapshot is SnapshotPolicy.NO and disk.source.readonly else disk.snapshot
    return (
        f" type='{disk.source.location.type}' device='{disk.device}'{attribute('model', disk.model)}"
        f"{attribute('rawio', yes_no(disk.rawio))}{attribute('sgio', disk.sgio)}{attribute('snapshot', snapshot)}"
    )


def _between(pad: str, disk: Disk, style: Style) -> str:
    """What stands between the chain and the target; seldom anything."""
    lines: list[str] = []
    if disk.backend_domain is not None:
        lines.append(element(pad, "backenddomain", attribute("name", disk.backend_domain or None)))
    if disk.geometry is not None:
        lines.append(_geometry(pad, disk.geometry))
    if disk.blockio is not None:
        lines.append(_blockio(pad, disk.blockio))
    if disk.mirror is not None and not style.inactive:
        lines.append(mirror_element(pad, disk.mirror, style))
    return "".join(lines)


def _geometry(pad: str, shape: Geometry) -> str:
    if not (shape.cylinders and shape.heads and shape.sectors):
        return ""
    return (
        f"{pad}<geometry cyls='{shape.cylinders}' heads='{shape.heads}' secs='{shape.sectors}'"
        f"{attribute('trans', shape.translation)}/>\n"
    )


def _blockio(pad: str, sizes: BlockIo) -> str:
    return element(
        pad,
        "blockio",
        attribute("logical_block_size", sizes.logical_block_size or None)
        + attribute("physical_block_size", sizes.physical_block_size or None)
        + attribute("discard_granularity", sizes.discard_granularity),
    )


def mirror_element(pad: str, mirror: Mirror, style: Style) -> str:
    """The second copy of a running job; a copy to a file is said twice, for readers older than ``<source>`` here."""
    source, inner = mirror.source, pad + "  "
    format = None if source.format is None else format_name(source.format)
    attributes = f" type='{source.location.type}'"
    if isinstance(source.location, FileLocation) and mirror.job is MirrorJob.COPY:
        attributes += attribute("file", source.location.path or None) + attribute("format", format)
    attributes += f" job='{mirror.job}'{attribute('ready', mirror.ready)}"
    cache = metadata_cache_element(inner + "  ", source.metadata_cache)
    return element(
        pad,
        "mirror",
        attributes,
        element(inner, "format", attribute("type", format), cache)
        + source_element(inner, source, style)
        + backing_element(inner, source.backing, style),
    )


def _target(pad: str, target: Target) -> str:
    """``removable`` belongs to USB: libvirt reads it elsewhere too, and loses it."""
    tray = target.tray if target.tray is Tray.OPEN else None
    removable = switch(target.removable) if target.bus is DiskBus.USB else None
    return (
        f"{pad}<target{attribute('dev', target.dev or None)}{attribute('bus', target.bus)}{attribute('tray', tray)}"
        f"{attribute('removable', removable)}{attribute('rotation_rate', target.rotation_rate or None)}/>\n"
    )


def _iotune(pad: str, tune: IoTune) -> str:
    inner = pad + "  "
    limits = (leaf(inner, name, getattr(tune, name) or None) for name in IOTUNE_NAMES)
    return element(pad, "iotune", "", "".join(limits))


def _throttle_filters(pad: str, groups: tuple[str, ...]) -> str:
    filters = (f"{pad}  <throttlefilter{attribute('group', group)}/>\n" for group in groups)
    return element(pad, "throttlefilters", "", "".join(filters))


def _transient(pad: str, disk: Disk) -> str:
    share = " shareBacking='yes'" if disk.share_backing else ""
    return f"{pad}<transient{share}/>\n"
