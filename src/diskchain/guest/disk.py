"""The guest-facing device: the outer half of Eric Blake's split. A disk *has* a source.

Source: libvirt 11.3.0 ``struct _virDomainDiskDef``. Pure; knows its siblings and the host's model.
"""

from dataclasses import dataclass

from diskchain.guest.address import DeviceInfo
from diskchain.guest.driver import DriverPolicy
from diskchain.guest.iotune import IoTune
from diskchain.guest.mirror import Mirror
from diskchain.guest.target import BlockIo, Geometry, Target
from diskchain.guest.terms import DiskBus, DiskDevice, DiskModel, SgIo, SnapshotPolicy, StartupPolicy
from diskchain.storage.foreign import Foreign
from diskchain.storage.location import BlockLocation, FileLocation, local_path
from diskchain.storage.source import TERMINATOR, Source
from diskchain.storage.terms import Format

_NO_POLICY = DriverPolicy()
_NO_INFO = DeviceInfo()


@dataclass(frozen=True, slots=True)
class FilterNode:
    """The QEMU node of one throttle filter, by the name of its group."""

    group: str
    node: str


@dataclass(frozen=True, slots=True)
class DiskRuntime:
    """What only a running disk has: QEMU's name of the device, and of the nodes above the top image's."""

    qom_name: str | None = None
    copy_on_read_node: str | None = None
    filter_nodes: tuple[FilterNode, ...] = ()


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk of a domain.

    ``source`` is the top image; an empty drive has a :class:`FileLocation` without a path. ``readonly`` and ``shared``
    are the source's. ``mirror`` and ``runtime`` exist in running domains only. ``throttle_filters`` names groups, the
    one nearest the guest last. ``share_backing`` goes with ``transient``. ``wwn`` is sixteen hex digits, perhaps behind ``0x``.
    ``auth_in_disk`` and ``encryption_in_disk`` remember that the document had these under ``<disk>``, the older place,
    and not under ``<source>``. ``foreign`` is what the document says and this model does not know.
    """

    source: Source
    target: Target
    device: DiskDevice = DiskDevice.DISK
    model: DiskModel | None = None
    driver: DriverPolicy = _NO_POLICY
    mirror: Mirror | None = None
    iotune: IoTune | None = None
    throttle_filters: tuple[str, ...] = ()
    geometry: Geometry | None = None
    blockio: BlockIo | None = None
    serial: str | None = None
    wwn: str | None = None
    vendor: str | None = None
    product: str | None = None
    snapshot: SnapshotPolicy | None = None
    startup_policy: StartupPolicy | None = None
    transient: bool = False
    share_backing: bool | None = None
    rawio: bool | None = None
    sgio: SgIo | None = None
    backend_domain: str | None = None
    info: DeviceInfo = _NO_INFO
    auth_in_disk: bool = False
    encryption_in_disk: bool = False
    runtime: DiskRuntime | None = None
    foreign: tuple[Foreign, ...] = ()

    @property
    def readonly(self) -> bool:
        """Whether the guest may only read."""
        return self.source.readonly

    @property
    def shared(self) -> bool:
        """Whether other machines may write the disk at the same time."""
        return self.source.shared

    @property
    def bus(self) -> DiskBus | None:
        """The bus of the target."""
        return self.target.bus

    @property
    def kept(self) -> Source:
        """The image that is left when the guest stops: of a running disk that is transient, the one below libvirt's overlay.

        libvirt 9.0.0 to 11.3.0 name that ``IMAGE.TRANSIENT-DOMAIN`` (``qemuSnapshotGetTransientDiskDef``).
        """
        below = self.source.backing
        if not self.transient or not isinstance(below, Source):
            return self.source
        top, image = local_path(self.source.location), local_path(below.location)
        return below if top is not None and image is not None and top.startswith(f"{image}.TRANSIENT-") else self.source

    def overlay_of(self, domain: str) -> Source | None:
        """What libvirt makes when ``domain`` starts, over the image of a transient disk; None where it makes none, or has made it."""
        image = local_path(self.source.location)
        if not self.transient or image is None or self.kept is not self.source:
            return None
        return Source(FileLocation(f"{image}.TRANSIENT-{domain}"), Format.QCOW2, backing=TERMINATOR)

    @property
    def is_empty(self) -> bool:
        """Whether this is a drive without a medium."""
        location = self.source.location
        return isinstance(location, FileLocation | BlockLocation) and not location.path
