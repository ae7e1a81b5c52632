"""Changes to a disk that libvirt accepts, each of which may break a rule, or none."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from diskchain.guest.address import BareAddress, DriveAddress, GuestPciAddress, UsbAddress
from diskchain.guest.disk import Disk
from diskchain.guest.iotune import IoTune
from diskchain.guest.target import Geometry
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
    SgIo,
    SnapshotPolicy,
    StartupPolicy,
    Translation,
    Tray,
)
from diskchain.storage.auth import Auth, AuthType, SecretReference
from diskchain.storage.encryption import Cipher, Encryption, EncryptionEngine, EncryptionFormat
from diskchain.storage.location import (
    BlockLocation,
    FileLocation,
    NetworkHost,
    NetworkLocation,
    NvmeLocation,
    VolumeLocation,
)
from diskchain.storage.seclabel import SecLabel
from diskchain.storage.slice import Slice
from diskchain.storage.source import TERMINATOR, Reservations, Source
from diskchain.storage.terms import Format, Protocol, Transport

Change = Callable[[Disk], Disk]

_FORMATS = [format for format in Format if format is not Format.LUKS]
_SWITCH = (True, False)
_ON = (True,)
_SECRET = SecretReference("passphrase", usage="key")
_NAMES = ["vda", "sdb", "hdc", "fda", "xvda", "hde", "sdzz", "vda1", "vd", "disk", "ubda", "sda0"]
_ADDRESSES = [
    DriveAddress(),
    DriveAddress(unit=1),
    DriveAddress(controller=1),
    DriveAddress(bus=1),
    DriveAddress(target=1),
    GuestPciAddress(slot=9),
    UsbAddress(0, (1,)),
    BareAddress(AddressType.UNASSIGNED),
]
_LIMITS = [
    IoTune(total_bytes_sec=9, read_bytes_sec=9),
    IoTune(total_iops_sec=10**15 + 1),
    IoTune(total_iops_sec=10**15),
    IoTune(read_bytes_sec=5, read_bytes_sec_max=4),
    IoTune(group_name="g"),
    IoTune(total_iops_sec_max_length=3),
    IoTune(total_iops_sec_max=3, write_iops_sec_max=3),
    IoTune(size_iops_sec=10**15 + 1),
]
_GEOMETRIES = [
    Geometry(1, 1, 1),
    Geometry(1, 1, 1, Translation.LBA),
    Geometry(1, 1, 0),
    Geometry(0, 0, 0, Translation.AUTO),
]


def _set(name: str, *values: Any) -> st.SearchStrategy[Change]:
    return st.sampled_from(values).map(lambda value: lambda disk: replace(disk, **{name: value}))


def _driver(name: str, *values: Any) -> st.SearchStrategy[Change]:
    return st.sampled_from(values).map(
        lambda value: lambda disk: replace(disk, driver=replace(disk.driver, **{name: value}))
    )


def _virtio(name: str) -> st.SearchStrategy[Change]:
    return st.booleans().map(
        lambda value: (
            lambda disk: replace(disk, driver=replace(disk.driver, virtio=replace(disk.driver.virtio, **{name: value})))
        )
    )


def _target(name: str, *values: Any) -> st.SearchStrategy[Change]:
    return st.sampled_from(values).map(
        lambda value: lambda disk: replace(disk, target=replace(disk.target, **{name: value}))
    )


def _source(name: str, *values: Any) -> st.SearchStrategy[Change]:
    return st.sampled_from(values).map(
        lambda value: lambda disk: replace(disk, source=disk.source._replace(**{name: value}))
    )


def _address(address: Any) -> Change:
    return lambda disk: replace(disk, info=replace(disk.info, address=address))


def _bottom(change: Callable[[Source], Source]) -> Change:
    """A change to the layer right below the top."""

    def apply(disk: Disk) -> Disk:
        below = disk.source.backing
        if not isinstance(below, Source):
            below = Source(FileLocation("/below"), Format.QCOW2, readonly=True)
        return replace(disk, source=disk.source._replace(backing=change(below)))

    return apply


_ENCRYPTIONS = [
    *(Encryption(format, (_SECRET,), engine) for format in EncryptionFormat for engine in (*EncryptionEngine, None)),
    Encryption(EncryptionFormat.LUKS, (_SECRET,), None, Cipher("aes", 256)),
    Encryption(EncryptionFormat.LUKS, (_SECRET, _SECRET)),
]
_AUTHS = [
    Auth("u", SecretReference(kind, usage="s"), type)
    for kind in ("ceph", "iscsi", "volume", "what", None)
    for type in (None, AuthType.CHAP)
]
_NETWORKS = [
    NetworkLocation(protocol, "p/1", hosts)
    for protocol in Protocol
    for hosts in (
        (),
        (NetworkHost("h"),),
        (NetworkHost("h", 99),),
        (NetworkHost("h"), NetworkHost("i")),
        (NetworkHost(socket="/s", transport=Transport.UNIX),),
        (NetworkHost("h", transport=Transport.RDMA),),
    )
]
_LOCATIONS = [
    FileLocation("/a"),
    FileLocation(None),
    BlockLocation("/dev/a"),
    BlockLocation(None),
    VolumeLocation("p", "v"),
    *_NETWORKS,
]


def _no_namespace(disk: Disk) -> Disk:
    if not isinstance(disk.source.location, NvmeLocation):
        return disk
    return replace(disk, source=disk.source._replace(location=disk.source.location._replace(namespace=0)))


#: Each changes one thing. What they do together is left to chance.
CHANGES: st.SearchStrategy[Change] = st.one_of(
    _set("device", *DiskDevice),
    _set("model", None, *DiskModel),
    _set("iotune", None, *_LIMITS),
    _set("geometry", *_GEOMETRIES),
    _set("serial", "ok-1", "a/b", "a;b", ""),
    _set("wwn", "5000c500155d7f2f", "5000C500155D7F2F", "0x5000c500155d7f", "5000c500155d7f2", None),
    _set("vendor", "SEAGATE", "NINECHARS", "höhe", None),
    _set("product", "ST3146707LC", "x" * 16, "x" * 41, "ü", None),
    _set("snapshot", *SnapshotPolicy),
    _set("startup_policy", *StartupPolicy),
    _set("transient", *_ON),
    _set("rawio", *_SWITCH),
    _set("sgio", *SgIo),
    _driver("name", "qemu", "tap", "", "file"),
    _driver("cache", *CacheMode),
    _driver("error_policy", *ErrorPolicy),
    _driver("io", *IoMode),
    _driver("ioeventfd", *_SWITCH),
    _driver("event_idx", *_SWITCH),
    _driver("copy_on_read", *_SWITCH),
    _driver("discard", *Discard),
    _driver("detect_zeroes", *DetectZeroes),
    _driver("iothread", 1, 4, 5, 99),
    _driver("queues", 1, 4),
    st.one_of(*(_virtio(name) for name in ("iommu", "ats", "packed", "page_per_vq"))),
    _target("dev", *_NAMES),
    _target("bus", None, *DiskBus),
    _target("tray", *Tray),
    _target("removable", *_SWITCH),
    _target("rotation_rate", 1, 7200),
    st.sampled_from(_ADDRESSES).map(_address),
    _source("format", None, *_FORMATS),
    _source("readonly", *_SWITCH),
    _source("shared", *_ON),
    _source("metadata_cache", 4096),
    _source("slice", Slice(0, 512)),
    _source("reservations", Reservations(managed=True)),
    _source("encryption", *_ENCRYPTIONS),
    _source("auth", *_AUTHS),
    _source("location", *_LOCATIONS),
    _source("seclabels", (SecLabel("dac", "+0:+0"),), (SecLabel("selinux", relabel=False),)),
    _source("backing", TERMINATOR),
    st.just(_no_namespace),
    st.sampled_from(_FORMATS).map(lambda format: _bottom(lambda layer: layer._replace(format=format))),
    st.sampled_from(_LOCATIONS).map(lambda location: _bottom(lambda layer: layer._replace(location=location))),
    st.sampled_from(_ENCRYPTIONS).map(lambda encryption: _bottom(lambda layer: layer._replace(encryption=encryption))),
    st.sampled_from(_AUTHS).map(lambda auth: _bottom(lambda layer: layer._replace(auth=auth))),
    st.just(_bottom(lambda layer: layer._replace(metadata_cache=4096))),
)
