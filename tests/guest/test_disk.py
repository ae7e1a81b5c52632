"""The guest model: values that compare and hash, with the host's half one step away."""

from dataclasses import replace

from diskchain.guest.address import Address, BareAddress, CcidAddress, DriveAddress, GuestPciAddress
from diskchain.guest.disk import Disk
from diskchain.guest.iotune import IoTune
from diskchain.guest.target import Target
from diskchain.guest.terms import AddressType, DiskBus
from diskchain.storage.location import BlockLocation, FileLocation
from diskchain.storage.source import Source

DISK = Disk(Source(FileLocation("/a.img"), readonly=True), Target("vda", DiskBus.VIRTIO))


def test_what_the_source_knows_is_asked_of_the_disk() -> None:
    assert DISK.readonly
    assert not DISK.shared
    assert DISK.bus is DiskBus.VIRTIO


def test_a_drive_without_a_path_is_empty() -> None:
    assert not DISK.is_empty
    assert replace(DISK, source=Source(FileLocation(None))).is_empty
    assert replace(DISK, source=Source(BlockLocation(""))).is_empty
    assert not replace(DISK, source=Source(BlockLocation("/dev/sda"))).is_empty


def test_a_group_name_alone_is_no_limit() -> None:
    assert not IoTune(group_name="slow").has_limits
    assert IoTune(size_iops_sec=1).has_limits


def test_addresses_of_different_types_differ_even_with_equal_numbers() -> None:
    addresses: set[Address] = {DriveAddress(), GuestPciAddress(), CcidAddress(), BareAddress(AddressType.CCID)}
    assert len(addresses) == 4


def test_equal_disks_have_equal_hashes() -> None:
    assert hash(DISK) == hash(replace(DISK, serial=None))
    assert len({DISK, replace(DISK, serial="1")}) == 2
