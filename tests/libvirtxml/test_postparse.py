"""What libvirt fills in after parsing, and for whom. The live tests judge the same on generated disks."""

import pytest
from hypothesis import given, settings
from tests.disk_strategies import disks

from diskchain.guest.address import DriveAddress
from diskchain.guest.disk import Disk
from diskchain.guest.target import Target, target_index
from diskchain.guest.terms import DiskBus, SnapshotPolicy
from diskchain.libvirtxml.codec import parse_disk
from diskchain.libvirtxml.postparse import Profile, post_parse, post_parse_source
from diskchain.storage.encryption import EncryptionEngine
from diskchain.storage.location import FileLocation, NetworkHost, NetworkLocation
from diskchain.storage.source import TERMINATOR, Source, layers
from diskchain.storage.terms import Format, Protocol


def filled(text: str, profile: Profile = Profile.QEMU) -> Disk:
    return post_parse([parse_disk(text)], profile)[0]


def test_parsing_alone_fills_nothing_in() -> None:
    disk = parse_disk(
        "<disk type='network' device='cdrom'><source protocol='nbd'><host name='h'/></source><target dev='hda'/></disk>"
    )
    assert disk.target == Target("hda")
    assert not disk.readonly
    assert disk.source.format is None
    assert disk.info.address is None
    location = disk.source.location
    assert isinstance(location, NetworkLocation)
    assert location.hosts == (NetworkHost("h"),)


def test_only_qemu_has_a_driver_name_raw_images_and_an_engine() -> None:
    text = "<disk type='file'><source file='/a'><encryption format='luks'/></source><target dev='vda'/></disk>"
    generic, qemu = filled(text, Profile.GENERIC), filled(text)
    assert (generic.driver.name, generic.source.format) == (None, None)
    assert (qemu.driver.name, qemu.source.format) == ("qemu", Format.RAW)
    assert qemu.source.encryption is not None
    assert qemu.source.encryption.engine is EncryptionEngine.QEMU


def test_a_volume_has_no_format_until_it_is_translated() -> None:
    assert filled("<disk type='volume'><source pool='p' volume='v'/><target dev='vda'/></disk>").source.format is None


@pytest.mark.parametrize(
    ("dev", "bus"),
    [
        ("hda", DiskBus.IDE),
        ("sda", DiskBus.SCSI),
        ("vda", DiskBus.VIRTIO),
        ("xvda", DiskBus.XEN),
        ("ubda", DiskBus.UML),
        ("odd", DiskBus.IDE),
    ],
)
def test_the_bus_is_guessed_from_the_target(dev: str, bus: DiskBus) -> None:
    assert filled(f"<disk><target dev='{dev}'/></disk>").bus is bus


@pytest.mark.parametrize(
    ("dev", "bus", "place"),
    [
        ("hdf", DiskBus.IDE, DriveAddress(controller=1, bus=0, unit=1)),
        ("hdd", DiskBus.IDE, DriveAddress(controller=0, bus=1, unit=1)),
        ("sdh", DiskBus.SCSI, DriveAddress(controller=1, unit=0)),
        ("sdg", DiskBus.SATA, DriveAddress(controller=1, unit=0)),
        ("fdb", DiskBus.FDC, DriveAddress(controller=0, unit=1)),
        ("vda", DiskBus.VIRTIO, None),
        ("odd", DiskBus.SCSI, None),
    ],
)
def test_a_drive_sits_where_its_name_says(dev: str, bus: DiskBus, place: DriveAddress | None) -> None:
    assert filled(f"<disk><target dev='{dev}' bus='{bus}'/></disk>").info.address == place


def test_what_cannot_be_written_takes_no_part_in_snapshots() -> None:
    assert filled("<disk device='cdrom'><target dev='hda'/></disk>").snapshot is SnapshotPolicy.NO
    assert filled("<disk><target dev='vda'/><readonly/></disk>").snapshot is SnapshotPolicy.NO
    assert filled("<disk><target dev='vda'/></disk>").snapshot is None
    assert filled("<disk snapshot='external'><target dev='vda'/><readonly/></disk>").snapshot is SnapshotPolicy.EXTERNAL


def test_every_layer_gets_its_ports_and_what_needs_none_stays_the_same_object() -> None:
    base = Source(FileLocation("/base"), Format.RAW, TERMINATOR)
    below = Source(NetworkLocation(Protocol.NBD, None, (NetworkHost("h"), NetworkHost("i", 7))), Format.RAW, base)
    top = post_parse_source(Source(NetworkLocation(Protocol.RBD, "p/i", (NetworkHost("h"),)), None, below))
    hosts = [layer.location.hosts for layer in layers(top) if isinstance(layer.location, NetworkLocation)]
    assert [[host.port for host in found] for found in hosts] == [[None], [10809, 7]]
    assert list(layers(top))[2] is base
    assert post_parse_source(base) is base


@settings(max_examples=60, deadline=None)
@given(disks(live=True))
def test_filling_in_twice_changes_nothing(disk: Disk) -> None:
    for profile in Profile:
        once = post_parse([disk], profile)
        assert post_parse(once, profile) == once


def test_disk_names_count_like_letters() -> None:
    assert [target_index(dev) for dev in ("vda", "vdz", "vdaa", "vdzz", "vdaaa", "sdb1")] == [0, 25, 26, 701, 702, 1]


@pytest.mark.parametrize(
    "dev", ["", "vd", "vd1", "vda-", "nvme0n1", "VDA", "ioemu:hda", "sdaaaaaaaaaa", "vd" + "z" * 100]
)
def test_other_names_have_no_index(dev: str) -> None:
    assert target_index(dev) is None
