"""Disks of every kind, as libvirt's XML can say them: the same value must come back from what is written."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import strategies as st

from diskchain.guest.address import (
    Address,
    BareAddress,
    CcidAddress,
    CcwAddress,
    DeviceInfo,
    DimmAddress,
    DriveAddress,
    GuestPciAddress,
    IsaAddress,
    SpaprVioAddress,
    UsbAddress,
    VirtioSerialAddress,
)
from diskchain.guest.disk import Disk, DiskRuntime, FilterNode
from diskchain.guest.driver import DriverPolicy, IoThread, VirtioOptions
from diskchain.guest.iotune import IOTUNE_NAMES, IoTune
from diskchain.guest.mirror import Mirror
from diskchain.guest.target import BlockIo, Geometry, Target
from diskchain.guest.terms import (
    AddressType,
    CacheMode,
    DetectZeroes,
    Discard,
    DiskBus,
    DiskDevice,
    DiskModel,
    ErrorPolicy,
    IoMode,
    MirrorJob,
    MirrorState,
    SgIo,
    SnapshotPolicy,
    StartupPolicy,
    Translation,
    Tray,
)
from diskchain.storage.location import FileLocation, NetworkLocation, VolumeLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import StorageType
from tests.strategies import (
    BOOLS,
    COUNT,
    FORMATS,
    NAMES,
    PATHS,
    TEXT,
    UINT,
    ULLONG,
    built,
    maybe,
    members,
    said,
    sources,
)

DRIVERS = built(
    DriverPolicy,
    name=maybe(TEXT),
    cache=members(CacheMode),
    error_policy=members(ErrorPolicy),
    rerror_policy=members([ErrorPolicy.STOP, ErrorPolicy.REPORT, ErrorPolicy.IGNORE]),
    io=members(IoMode),
    ioeventfd=BOOLS,
    event_idx=BOOLS,
    copy_on_read=BOOLS,
    discard=members(Discard),
    detect_zeroes=members(DetectZeroes),
    discard_no_unref=BOOLS,
    iothread=maybe(COUNT),
    iothreads=st.lists(built(IoThread, id=UINT, queues=st.lists(UINT, max_size=2).map(tuple)), max_size=2).map(tuple),
    queues=maybe(COUNT),
    queue_size=maybe(COUNT),
    virtio=built(VirtioOptions, iommu=BOOLS, ats=BOOLS, packed=BOOLS, page_per_vq=BOOLS),
)
_LIMITS = {name: st.one_of(st.just(0), ULLONG) for name in IOTUNE_NAMES if name != "group_name"}
IOTUNES = built(IoTune, group_name=maybe(TEXT), **_LIMITS).map(said)
GEOMETRIES = built(Geometry, cylinders=COUNT, heads=COUNT, sectors=COUNT, translation=members(Translation))
BLOCKIOS = built(
    BlockIo, logical_block_size=maybe(COUNT), physical_block_size=maybe(COUNT), discard_granularity=maybe(UINT)
).map(said)
TARGETS = built(
    Target,
    dev=st.sampled_from(["vda", "hdb", "sdc", "xvdd", "fda", "ubda", "vdzz", "sda1", "odd"]),
    bus=members([bus for bus in DiskBus if bus is not DiskBus.USB]),
    tray=members([Tray.OPEN]),
    rotation_rate=maybe(COUNT),
)
USB_TARGETS = built(Target, dev=st.just("sda"), bus=st.just(DiskBus.USB), removable=BOOLS)
_PCI = built(
    GuestPciAddress,
    domain=st.integers(0, 0xFFFF_FFFF),
    bus=st.integers(1, 0xFF),
    slot=st.integers(0, 0x1F),
    function=st.integers(0, 7),
    multifunction=BOOLS,
)
ADDRESSES: st.SearchStrategy[Address] = st.one_of(
    _PCI,
    st.builds(lambda pci, uid, fid: replace(pci, uid=uid, fid=fid), _PCI, st.integers(0, 0xFFFF), UINT),
    st.just(GuestPciAddress()),
    built(DriveAddress, controller=UINT, bus=UINT, target=UINT, unit=UINT),
    built(UsbAddress, bus=UINT, port=st.lists(st.integers(1, 99), max_size=4).map(tuple)),
    built(VirtioSerialAddress, controller=UINT, bus=UINT, port=UINT),
    built(CcidAddress, controller=UINT, slot=UINT),
    built(SpaprVioAddress, reg=maybe(ULLONG)),
    built(CcwAddress, cssid=st.integers(0, 254), ssid=st.integers(0, 3), devno=st.integers(0, 0xFFFF)),
    built(IsaAddress, iobase=UINT, irq=UINT),
    built(DimmAddress, slot=UINT, base=ULLONG),
    st.sampled_from([BareAddress(AddressType.VIRTIO_MMIO), BareAddress(AddressType.UNASSIGNED)]),
)


@st.composite
def infos(draw: st.DrawFn, *, live: bool = False) -> DeviceInfo:
    order = draw(maybe(COUNT))
    loadparm = None if order is None else draw(maybe(st.text("ABZ019. ", min_size=1, max_size=8)))
    alias = NAMES.map(lambda name: f"virtio-{name}" if live else f"ua-{name.replace('.', '_')}")
    return DeviceInfo(draw(maybe(ADDRESSES)), draw(maybe(alias)), order, loadparm, draw(maybe(COUNT)))


@st.composite
def mirrors(draw: st.DrawFn, *, status: bool = False) -> Mirror:
    source = draw(sources(live=True, status=status, top=False, depth=1))
    data_file = source.data_file and source.data_file._replace(readonly=False)
    format = draw(maybe(FORMATS))
    return Mirror(
        source._replace(readonly=False, format=format, data_file=data_file),
        draw(st.sampled_from(MirrorJob)),
        draw(members(MirrorState)),
    )


@st.composite
def disks(
    draw: st.DrawFn,
    types: Iterable[StorageType] = tuple(StorageType),
    *,
    live: bool = False,
    status: bool = False,
) -> Disk:
    """Anything the model can hold and a document can say."""
    source = draw(sources(types, live=live or status, status=status))
    actual = source.location.actual if isinstance(source.location, VolumeLocation) else None
    networked = isinstance(actual or source.location, NetworkLocation)
    filters = tuple(draw(st.lists(TEXT, max_size=2, unique=True)))
    if source.location == FileLocation(None) and source == Source(FileLocation(None), format=source.format):
        networked = True  # an empty drive has no <source> for the policy
    transient = draw(st.booleans())
    runtime = None
    if status:
        nodes = tuple(FilterNode(group, draw(NAMES)) for group in filters)
        runtime = draw(maybe(built(DiskRuntime, qom_name=maybe(PATHS), copy_on_read_node=maybe(NAMES))))
        runtime = runtime if not nodes else replace(runtime or DiskRuntime(), filter_nodes=nodes)
        runtime = None if runtime == DiskRuntime() else runtime
    return Disk(
        source,
        draw(st.one_of(TARGETS, USB_TARGETS)),
        draw(st.sampled_from(DiskDevice)),
        draw(members(DiskModel)),
        draw(DRIVERS),
        draw(maybe(mirrors(status=status))) if live or status else None,
        draw(maybe(IOTUNES)),
        filters,
        draw(maybe(GEOMETRIES)),
        draw(maybe(BLOCKIOS)),
        draw(maybe(TEXT)),
        draw(maybe(TEXT)),
        draw(maybe(TEXT)),
        draw(maybe(TEXT)),
        draw(members([policy for policy in SnapshotPolicy if policy is not SnapshotPolicy.NO])),
        None if networked else draw(members(StartupPolicy)),
        transient,
        draw(st.sampled_from([None, True])) if transient else None,
        draw(BOOLS),
        draw(members(SgIo)),
        draw(maybe(TEXT)),
        draw(infos(live=live or status)),
        source.auth is not None and not isinstance(source.location, VolumeLocation) and draw(st.booleans()),
        source.encryption is not None and draw(st.booleans()),
        runtime,
    )
