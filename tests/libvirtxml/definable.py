"""Disks that libvirt's QEMU driver mostly accepts: every source type, and every option where it may stand.

Mostly: what libvirt refuses costs nothing, and the rules are not repeated here.
"""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from tests.strategies import BOOLS, NAMES, UUIDS, built, maybe, members, said

from diskchain.guest.address import DeviceInfo, DriveAddress
from diskchain.guest.disk import Disk
from diskchain.guest.driver import DriverPolicy, IoThread, VirtioOptions
from diskchain.guest.iotune import IoTune
from diskchain.guest.target import BlockIo, Geometry, Target
from diskchain.guest.terms import (
    CacheMode,
    DetectZeroes,
    Discard,
    DiskBus,
    DiskDevice,
    DiskModel,
    ErrorPolicy,
    IoMode,
    SgIo,
    SnapshotPolicy,
    StartupPolicy,
    Translation,
    Tray,
)
from diskchain.storage.auth import Auth, AuthType, SecretReference
from diskchain.storage.encryption import Encryption, EncryptionEngine, EncryptionFormat
from diskchain.storage.location import (
    BlockLocation,
    DirLocation,
    FileLocation,
    Location,
    NetworkHost,
    NetworkLocation,
    NvmeLocation,
    PciAddress,
    VhostUserLocation,
    VhostVdpaLocation,
    VolumeLocation,
)
from diskchain.storage.protocol_options import Cookie, HttpOptions, IscsiOptions, NbdOptions, NfsOptions, SshOptions
from diskchain.storage.seclabel import SecLabel
from diskchain.storage.slice import Slice
from diskchain.storage.source import TERMINATOR, UNKNOWN, Reservations, Source
from diskchain.storage.terms import Format, Protocol, StorageType, Transport, VolumeMode

_WORDS = st.sampled_from(["a", "web-1", "disk.qcow2", "Tom & Jerry's", 'a "b"', "x<y>z", "höhe"])
PATHS = _WORDS.map(lambda word: f"/images/{word}")
_SECRETS = st.one_of(
    built(SecretReference, uuid=UUIDS), built(SecretReference, usage=st.sampled_from(["key", "a & b"]))
)
_BYTES = st.integers(1, 2**40)
_HOSTS = st.sampled_from(["a.example", "10.0.0.1", "fd00::1"])
_TCP = built(NetworkHost, name=_HOSTS, port=maybe(st.integers(1, 65535)))
_UNIX = built(NetworkHost, socket=st.just("/run/s.sock"), transport=st.just(Transport.UNIX))
_WEB = {Protocol.HTTP, Protocol.HTTPS}
PROTOCOLS = [protocol for protocol in Protocol if protocol not in {Protocol.SHEEPDOG, Protocol.TFTP}]


@st.composite
def networks(draw: st.DrawFn) -> NetworkLocation:
    protocol = draw(st.sampled_from(PROTOCOLS))
    name: str | None = draw(_WORDS)
    hosts = [draw(_TCP)]
    options: Any = None
    tls = None
    if protocol is Protocol.NBD:
        name, hosts = draw(maybe(_WORDS)), [draw(st.one_of(_TCP, _UNIX))]
        options = draw(built(NbdOptions, tls_hostname=st.none(), reconnect_delay=maybe(st.integers(1, 9))).map(said))
        tls = draw(BOOLS)
    elif protocol is Protocol.RBD:
        name, hosts = f"pool/{name}", draw(st.lists(_TCP, max_size=3))
    elif protocol is Protocol.GLUSTER:
        name, hosts = f"vol/{name}", draw(st.lists(st.one_of(_TCP, _UNIX), min_size=1, max_size=3))
    elif protocol is Protocol.ISCSI:
        name = draw(st.sampled_from(["iqn.2013-07.com.example:a", "iqn.2013-07.com.example:a/1"]))
        options = draw(built(IscsiOptions, initiator=maybe(st.just("iqn.2020-01.x:me"))).map(said))
    elif protocol is Protocol.NFS:
        hosts = [NetworkHost(draw(_HOSTS))]
        options = draw(built(NfsOptions, user=maybe(NAMES), group=maybe(st.just("+12"))).map(said))
    elif protocol is Protocol.SSH:
        options = draw(maybe(built(SshOptions, known_hosts=maybe(PATHS), username=NAMES, keyfile=PATHS)))
    elif protocol in {*_WEB, Protocol.FTP, Protocol.FTPS}:
        options = draw(_http(protocol))
    snapshot = draw(maybe(st.sampled_from(["monday", "s_1-a"]))) if protocol is Protocol.RBD else None
    config = draw(maybe(PATHS)) if protocol is Protocol.RBD else None
    return NetworkLocation(protocol, name, tuple(hosts), options, tls, snapshot, config)


def _http(protocol: Protocol) -> st.SearchStrategy[Any]:
    web = protocol in _WEB
    return built(
        HttpOptions,
        query=maybe(st.sampled_from(["a=b&c=d", "x"])) if web else st.none(),
        ssl_verify=BOOLS if protocol in {Protocol.HTTPS, Protocol.FTPS} else st.none(),
        cookies=st.sampled_from([(), (Cookie("a", "b"), Cookie("c", '"d"'))]) if web else st.just(()),
        readahead=maybe(_BYTES),
        timeout=maybe(st.integers(1, 99)),
    ).map(said)


_LOCATIONS: dict[StorageType, st.SearchStrategy[Location]] = {
    StorageType.FILE: built(FileLocation, path=PATHS),
    StorageType.BLOCK: built(BlockLocation, path=PATHS),
    StorageType.DIR: built(DirLocation, path=PATHS),
    StorageType.NETWORK: networks(),
    StorageType.VOLUME: built(VolumeLocation, pool=_WORDS, volume=_WORDS, mode=members(VolumeMode)),
    StorageType.NVME: built(
        NvmeLocation,
        address=built(
            PciAddress,
            domain=st.integers(0, 0xFFFF),
            bus=st.integers(1, 255),
            slot=st.integers(0, 31),
            function=st.integers(0, 7),
        ),
        namespace=st.integers(1, 2**32 - 1),
        managed=BOOLS,
    ),
    StorageType.VHOSTUSER: st.builds(
        # libvirt does not escape this path.
        lambda path, reconnect: VhostUserLocation(path, reconnect, 7 if reconnect else None),
        NAMES.map(lambda name: f"/run/{name}"),
        BOOLS,
    ),
    StorageType.VHOSTVDPA: built(VhostVdpaLocation, path=st.just("/dev/vhost-vdpa-0")),
}
_BELOW = (StorageType.FILE, StorageType.BLOCK, StorageType.NETWORK)
_AUTH_OF = {Protocol.RBD: "ceph", Protocol.ISCSI: "iscsi"}


@st.composite
def _layer(draw: st.DrawFn, location: Location, format: Format | None) -> dict[str, Any]:
    """What a layer may have besides."""
    parts: dict[str, Any] = {"location": location, "format": format}
    if isinstance(location, NetworkLocation) and location.protocol in _AUTH_OF and draw(st.booleans()):
        secret = replace(draw(_SECRETS), usage_type=_AUTH_OF[location.protocol])
        parts["auth"] = Auth(draw(NAMES), secret, draw(members([AuthType.CHAP, AuthType.CEPH])))
    if format in {Format.RAW, Format.QCOW2, None} and draw(st.integers(0, 3)) == 0:
        secret = replace(draw(_SECRETS), usage_type="passphrase")
        engine = draw(members([EncryptionEngine.QEMU]))
        parts["encryption"] = Encryption(EncryptionFormat.LUKS, (secret,), engine)
    if isinstance(location, FileLocation | BlockLocation):
        labels = [SecLabel("dac", relabel=False), SecLabel("selinux", "system_u:object_r:svirt_image_t:s0", None)]
        parts["seclabels"] = tuple(draw(st.lists(st.sampled_from(labels), unique=True, max_size=2)))
        parts["slice"] = draw(maybe(built(Slice, offset=_BYTES, size=_BYTES)))
    if format is Format.QCOW2:
        parts["metadata_cache"] = draw(maybe(_BYTES))
        if draw(st.integers(0, 9)) == 0:
            parts["data_file"] = Source(FileLocation("/images/data"), Format.RAW)
    return parts


@st.composite
def _chain(draw: st.DrawFn, depth: int) -> Any:
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from([UNKNOWN, TERMINATOR]))
    format = draw(st.sampled_from([Format.RAW, Format.QCOW2, Format.VMDK, Format.QED, Format.VHDX, Format.VPC]))
    parts = draw(_layer(draw(st.sampled_from(_BELOW).flatmap(_LOCATIONS.__getitem__)), format))
    if "data_file" in parts:
        parts["data_file"] = parts["data_file"]._replace(readonly=True)
    return Source(backing=draw(_chain(depth - 1)), readonly=True, **parts)


_TARGETS = [
    ("vda", DiskBus.VIRTIO),
    ("vdb", DiskBus.VIRTIO),
    ("vdaa", DiskBus.VIRTIO),
    ("sda", DiskBus.SCSI),
    ("sdi", DiskBus.SCSI),
    ("sdb", DiskBus.SATA),
    ("sdc", DiskBus.USB),
    ("hda", DiskBus.IDE),
    ("hdd", DiskBus.IDE),
    ("vdc", None),
    ("hdb", None),
    ("sde", None),
]
_LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "total_bytes_sec": _BYTES,
        "total_iops_sec": _BYTES,
        "size_iops_sec": _BYTES,
        "group_name": st.sampled_from(["slow", "a & b"]),
    },
)
_SPLIT_LIMITS = st.builds(
    lambda read, write, length: {
        "read_bytes_sec": read,
        "write_iops_sec": write,
        "read_bytes_sec_max": read + 1,
        "read_bytes_sec_max_length": length,
    },
    _BYTES,
    _BYTES,
    st.integers(1, 9),
)


@st.composite
def _policy(draw: st.DrawFn, format: Format | None, *, virtio: bool, writable: bool) -> DriverPolicy:
    cache = draw(members(CacheMode))
    io = draw(members(IoMode))
    if io is IoMode.NATIVE and cache not in {CacheMode.NONE, CacheMode.DIRECTSYNC}:
        cache = CacheMode.NONE
    policy = DriverPolicy(
        draw(maybe(st.just("qemu"))),
        cache,
        draw(members(ErrorPolicy)),
        draw(members([ErrorPolicy.STOP, ErrorPolicy.REPORT, ErrorPolicy.IGNORE])),
        io,
        copy_on_read=draw(BOOLS) if writable else None,
        discard=draw(members(Discard)),
        detect_zeroes=draw(members(DetectZeroes)),
        discard_no_unref=draw(st.sampled_from([None] * 9 + [True])) if format is Format.QCOW2 and writable else None,
    )
    if not virtio:
        return policy
    threads: Any = {"iothread": draw(maybe(st.integers(1, 4)))}
    if draw(st.integers(0, 9)) == 0:
        threads = {"iothreads": (IoThread(1), IoThread(2))}
    return replace(
        policy,
        ioeventfd=draw(BOOLS),
        event_idx=draw(BOOLS),
        queues=draw(maybe(st.integers(1, 8))),
        queue_size=draw(maybe(st.sampled_from([2, 256]))),
        virtio=draw(built(VirtioOptions, iommu=BOOLS, ats=BOOLS, packed=BOOLS, page_per_vq=BOOLS)),
        **threads,
    )


@st.composite
def _vhost(draw: st.DrawFn, location: Location) -> Disk:
    """What QEMU leaves to another process takes few options."""
    user = isinstance(location, VhostUserLocation)
    policy = DriverPolicy("qemu", queues=draw(maybe(st.integers(1, 8))))
    if not user:
        policy = replace(policy, cache=CacheMode.NONE)
    info = DeviceInfo(boot_order=draw(maybe(st.integers(1, 9))))
    target = Target(draw(st.sampled_from(["vda", "vdb", "vdz"])), DiskBus.VIRTIO)
    return Disk(Source(location, Format.RAW), target, driver=policy, info=info)


@st.composite
def definable_disks(draw: st.DrawFn, type: StorageType) -> Disk:
    location = draw(_LOCATIONS[type])
    if type in {StorageType.VHOSTUSER, StorageType.VHOSTVDPA}:
        return draw(_vhost(location))
    dev, bus = draw(st.sampled_from(_TARGETS))
    device = DiskDevice.DISK
    if type is not StorageType.DIR:
        device = draw(st.sampled_from([DiskDevice.DISK] * 6 + [DiskDevice.CDROM, DiskDevice.FLOPPY, DiskDevice.LUN]))
    if device is DiskDevice.CDROM:
        dev, bus = draw(st.sampled_from([("hdc", DiskBus.IDE), ("sda", DiskBus.SATA), ("sdb", DiskBus.SCSI)]))
    elif device is DiskDevice.FLOPPY:
        dev, bus = draw(st.sampled_from([("fda", DiskBus.FDC), ("fdb", None)]))
    elif device is DiskDevice.LUN:
        dev, bus = "sda", DiskBus.SCSI
    if type is StorageType.DIR:
        format: Format | None = Format.FAT
    else:
        formats = (
            [Format.RAW] if device is DiskDevice.LUN else [None, Format.RAW, Format.QCOW2, Format.VMDK, Format.VDI]
        )
        format = draw(st.sampled_from(formats))
    guest = dev[:2] == "vd" and bus in {None, DiskBus.VIRTIO}
    ide = bus in {DiskBus.IDE, DiskBus.SATA} or (bus is None and dev[:2] == "hd")
    readonly = type is StorageType.DIR or (device is DiskDevice.DISK and not ide and draw(st.integers(0, 4)) == 0)
    parts = draw(_layer(location, format))
    if device is DiskDevice.LUN:
        parts.pop("slice", None)
        parts.pop("encryption", None)
        if type is StorageType.BLOCK:
            parts["reservations"] = draw(
                st.sampled_from([None, Reservations(managed=True), Reservations(managed=False, socket="/run/pr")])
            )
    depth = 2 if format in {Format.QCOW2, Format.VMDK} else 0
    source = Source(backing=draw(_chain(depth)), readonly=readonly, shared=draw(st.integers(0, 5)) == 0, **parts)
    if device in {DiskDevice.CDROM, DiskDevice.FLOPPY} and draw(st.booleans()):
        source = Source(FileLocation(None), format)
    writable = device is DiskDevice.DISK and not readonly
    return draw(_finish(source, Target(dev, bus), device, guest=guest, writable=writable))


@st.composite
def _finish(
    draw: st.DrawFn, source: Source, target: Target, device: DiskDevice, *, guest: bool, writable: bool
) -> Disk:
    local = isinstance(source.location, FileLocation | BlockLocation | DirLocation) and source.location.path
    removable = device in {DiskDevice.CDROM, DiskDevice.FLOPPY}
    plain = device is not DiskDevice.LUN
    scsi = target.bus is DiskBus.SCSI
    policies = [StartupPolicy.MANDATORY, StartupPolicy.OPTIONAL, *([StartupPolicy.REQUISITE] if removable else [])]
    transient = writable and isinstance(source.location, FileLocation) and draw(st.integers(0, 5)) == 0
    drive = DriveAddress(controller=draw(st.integers(0, 1)), unit=draw(st.integers(0, 1)))
    if target.bus is DiskBus.IDE:
        drive = replace(drive, controller=0, bus=draw(st.integers(0, 1)))
    if removable:
        target = replace(target, tray=draw(members(Tray)))
    if device is DiskDevice.DISK and target.bus in {DiskBus.IDE, DiskBus.SATA, DiskBus.SCSI}:
        target = replace(target, rotation_rate=draw(maybe(st.integers(1, 15000))))
    if target.bus is DiskBus.USB:
        target = replace(target, removable=draw(BOOLS))
    addressed = target.bus in {DiskBus.IDE, DiskBus.SATA, DiskBus.SCSI} and draw(st.booleans())
    return Disk(
        source,
        target,
        device,
        draw(members(DiskModel)) if guest else None,
        draw(_policy(source.format, virtio=guest, writable=writable)),
        iotune=draw(maybe(st.one_of(_LIMITS, _SPLIT_LIMITS).map(lambda limits: said(IoTune(**limits))))),
        throttle_filters=draw(st.sampled_from([()] * 19 + [("fast",)])),
        geometry=draw(
            maybe(
                built(
                    Geometry,
                    cylinders=st.integers(1, 16383),
                    heads=st.integers(1, 16),
                    sectors=st.integers(1, 63),
                    translation=members(Translation) if target.bus is DiskBus.IDE else st.none(),
                )
            )
        )
        if target.bus is not DiskBus.USB
        else None,
        blockio=draw(
            maybe(
                built(
                    BlockIo,
                    logical_block_size=st.just(512),
                    physical_block_size=maybe(st.just(4096)),
                    discard_granularity=st.sampled_from([None] * 9 + [4096]),
                )
            )
        ),
        serial=draw(maybe(st.sampled_from(["WD-WMAP9A966149", "a b_c+d.1"]))) if plain else None,
        wwn=draw(maybe(st.just("5000c500155d7f2f"))) if plain and scsi else None,
        vendor=draw(maybe(st.just("SEAGATE"))) if plain and scsi else None,
        product=draw(maybe(st.just("ST3146707LC"))) if plain and scsi else None,
        snapshot=draw(members(SnapshotPolicy)),
        startup_policy=draw(members(policies)) if local else None,
        transient=transient,
        share_backing=draw(BOOLS) if transient and guest else None,
        rawio=draw(BOOLS) if not plain else None,
        sgio=draw(members([SgIo.FILTERED])) if not plain else None,
        info=DeviceInfo(
            drive if addressed else None,
            draw(maybe(st.sampled_from(["ua-disk", "ua-1_b"]))),
            draw(maybe(st.integers(1, 9))),
            None,
            None,
        ),
        auth_in_disk=source.auth is not None and draw(st.booleans()),
        encryption_in_disk=source.encryption is not None and draw(st.booleans()),
    )
