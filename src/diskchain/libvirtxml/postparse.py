"""What libvirt fills in between parsing a document and using it, as a step of its own. Never fails, never removes.

Two profiles: ``GENERIC`` is what every hypervisor driver gets, ``QEMU`` adds what the QEMU driver does. Source: libvirt
11.3.0 (``virDomainDiskDefPostParse`` in ``conf/domain_postparse.c``, ``qemuDomainDeviceDiskDefPostParse`` in
``qemu/qemu_postparse.c``). One thing libvirt's parser does by itself is here too: the default ports.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum

from diskchain.guest.address import DriveAddress
from diskchain.guest.disk import Disk
from diskchain.guest.target import target_index
from diskchain.guest.terms import DiskBus, DiskDevice, SnapshotPolicy
from diskchain.storage.encryption import EncryptionEngine
from diskchain.storage.location import Location, NetworkHost, NetworkLocation, NvmeLocation, VhostUserLocation
from diskchain.storage.source import Backing, Source, with_backing
from diskchain.storage.terms import DEFAULT_PORTS, Format, Protocol, StorageType, Transport


class Profile(Enum):
    """Whose defaults apply."""

    GENERIC = "generic"
    QEMU = "qemu"


#: How libvirt's Xen driver once wrote targets.
_XEN_PREFIX = "ioemu:"

#: The bus a target's name suggests; the first prefix that fits.
_BUS_BY_PREFIX = (
    ("hd", DiskBus.IDE),
    ("sd", DiskBus.SCSI),
    ("vd", DiskBus.VIRTIO),
    ("xvd", DiskBus.XEN),
    ("ubd", DiskBus.UML),
)

#: Units of a narrow SCSI bus that can be disks: the eighth is the controller.
_SCSI_UNITS = 7


def post_parse(disks: Sequence[Disk], profile: Profile = Profile.QEMU) -> tuple[Disk, ...]:
    """The disks of one domain with libvirt's defaults filled in.

    >>> from diskchain.libvirtxml.codec import parse_disk
    >>> (disk,) = post_parse([parse_disk("<disk device='cdrom'><target dev='hda'/></disk>")])
    >>> str(disk.bus), disk.readonly, disk.driver.name, str(disk.source.format), disk.info.address.unit
    ('ide', True, 'qemu', 'raw', 0)

    Bus, then address from the target's name; read-only CD-ROMs; no snapshots of what cannot be written; ``/0`` for an
    iSCSI name without a LUN; ports. A disk in a throttling group without limits takes those of the first in the group
    that has some, which is why the disks come together. ``QEMU``: driver name, raw, who decrypts;
    objects of a running domain that an older libvirt named after the device.
    """
    filled = [_with_defaults(disk if profile is Profile.GENERIC else _with_qemu_defaults(disk)) for disk in disks]
    groups = {
        disk.iotune.group_name: disk.iotune
        for disk in reversed(filled)
        if disk.iotune is not None and disk.iotune.group_name and disk.iotune.has_limits
    }
    for position, disk in enumerate(filled):
        tune = disk.iotune
        if tune is not None and tune.group_name in groups and not tune.has_limits:
            filled[position] = replace(disk, iotune=groups[tune.group_name])
    return tuple(filled)


def post_parse_source(source: Source) -> Source:
    """A chain with the ports of its TCP hosts filled in, which libvirt does for every source it parses.

    >>> from diskchain.libvirtxml.codec import parse_source
    >>> source = parse_source("<source protocol='nbd'><host name='a'/></source>", type=StorageType.NETWORK)
    >>> post_parse_source(source).location.hosts[0].port
    10809
    """
    return _each_layer(source, _with_ports)


def _each_layer(top: Source, change: Callable[[Source], Source]) -> Source:
    """``change`` applied to every layer; what did not change stays the same object."""
    chain: list[Source] = []
    below: Backing = top
    while isinstance(below, Source):
        chain.append(below)
        below = below.backing
    for layer in reversed(chain):
        changed = change(layer)
        below = changed if changed.backing is below else with_backing(changed, below)
    return below if isinstance(below, Source) else top


def _with_ports(layer: Source) -> Source:
    if layer.data_file is not None:
        data_file = post_parse_source(layer.data_file)
        layer = layer if data_file is layer.data_file else layer._replace(data_file=data_file)
    location = layer.location
    if not isinstance(location, NetworkLocation):
        return layer
    port = DEFAULT_PORTS.get(location.protocol)
    if port is None or all(map(_needs_no_port, location.hosts)):
        return layer
    hosts = tuple(host if _needs_no_port(host) else host._replace(port=port) for host in location.hosts)
    return layer._replace(location=location._replace(hosts=hosts))


def _needs_no_port(host: NetworkHost) -> bool:
    return bool(host.port) or host.transport is not Transport.TCP


def _with_defaults(disk: Disk) -> Disk:
    disk = replace(disk, source=post_parse_source(disk.source))
    if disk.mirror is not None:
        disk = replace(disk, mirror=replace(disk.mirror, source=post_parse_source(disk.mirror.source)))
    target = disk.target
    if target.dev.startswith(_XEN_PREFIX):
        target = replace(target, dev=target.dev.removeprefix(_XEN_PREFIX))
    if disk.device is DiskDevice.CDROM and not disk.readonly:
        disk = replace(disk, source=disk.source._replace(readonly=True))
    if target.bus is None:
        target = replace(target, bus=_guess_bus(disk.device, target.dev))
    location = _with_location_defaults(disk.source.location)
    if location is not disk.source.location:
        disk = replace(disk, source=disk.source._replace(location=location))
    if disk.snapshot is None and (disk.readonly or isinstance(location, VhostUserLocation)):
        disk = replace(disk, snapshot=SnapshotPolicy.NO)
    if disk.info.address is None and target.bus is not None:
        disk = replace(disk, info=replace(disk.info, address=_drive_address(target.bus, target_index(target.dev))))
    return disk if target is disk.target else replace(disk, target=target)


def _guess_bus(device: DiskDevice, dev: str) -> DiskBus:
    if device is DiskDevice.FLOPPY:
        return DiskBus.FDC
    return next((bus for prefix, bus in _BUS_BY_PREFIX if dev.startswith(prefix)), DiskBus.IDE)


def _with_location_defaults(location: Location) -> Location:
    """What the *top* image's location gets; libvirt leaves the layers below alone."""
    if isinstance(location, NvmeLocation) and location.managed is None:
        return location._replace(managed=True)
    if isinstance(location, NetworkLocation) and location.protocol is Protocol.ISCSI:
        name = location.name
        if name and "/" not in name:
            return location._replace(name=f"{name}/0")
    return location


def _drive_address(bus: DiskBus, index: int | None) -> DriveAddress | None:
    """Where on its bus's controllers the disk with this index sits; None on buses without any."""
    if index is None:
        return None
    match bus:
        case DiskBus.SCSI:
            return DriveAddress(controller=index // _SCSI_UNITS, unit=index % _SCSI_UNITS)
        case DiskBus.IDE:  # two channels of two on each controller
            return DriveAddress(controller=index // 4, bus=index % 4 // 2, unit=index % 2)
        case DiskBus.SATA:
            return DriveAddress(controller=index // 6, unit=index % 6)
        case DiskBus.FDC:
            return DriveAddress(controller=index // 2, unit=index % 2)
        case _:
            return None


def _with_qemu_defaults(disk: Disk) -> Disk:
    if disk.driver.name is None:
        disk = replace(disk, driver=replace(disk.driver, name="qemu"))
    if disk.source.format is None and disk.source.location.type is not StorageType.VOLUME:
        disk = replace(disk, source=disk.source._replace(format=Format.RAW))
    if disk.mirror is not None and disk.mirror.source.format is None:
        disk = replace(disk, mirror=replace(disk.mirror, source=disk.mirror.source._replace(format=Format.RAW)))
    source = _each_layer(disk.source, _decrypted_by_qemu)
    return replace(disk, source=_with_older_aliases(source, disk.info.alias) if disk.info.alias else source)


def _with_older_aliases(top: Source, alias: str) -> Source:
    """The top image of the device called ``alias``, with the objects that a status document of an older libvirt leaves to follow from that.

    As libvirt 9.0 and 11.3 read one (``qemuDomainDeviceDiskDefPostParseRestoreSecAlias``, ``qemuAliasTLSObjFromSrcAlias``).
    """
    runtime = top.runtime
    if runtime is None:
        return top  # of no status document
    objects = runtime.objects
    location, encryption = top.location, top.encryption
    if top.auth is not None and objects.auth is None:
        objects = replace(objects, auth=f"{alias}-secret0")
    decrypted = encryption is not None and encryption.secrets and encryption.engine is not EncryptionEngine.LIBRBD
    if decrypted and not objects.encryption:
        objects = replace(objects, encryption=(f"{alias}-luks-secret0",))
    if isinstance(location, NetworkLocation) and location.tls and objects.tls_credentials is None:
        objects = replace(objects, tls_credentials=f"obj{alias}_tls0")
    return top if objects == runtime.objects else top._replace(runtime=replace(runtime, objects=objects))


def _decrypted_by_qemu(layer: Source) -> Source:
    if layer.encryption is None or layer.encryption.engine is not None:
        return layer
    return layer._replace(encryption=replace(layer.encryption, engine=EncryptionEngine.QEMU))
