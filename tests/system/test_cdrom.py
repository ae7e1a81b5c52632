"""What is no block device is no CD-ROM drive, nor is a block device that has no tray."""

from pathlib import Path

import pytest

from diskchain.qemu.blockdev import blockdev
from diskchain.qemu.policy import NodePolicy
from diskchain.storage.location import BlockLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format
from diskchain.system.cdrom import is_cdrom


def test_a_file_a_directory_and_nothing_are_no_drives(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert not any(is_cdrom(str(tmp_path / name)) for name in ("file", ".", "missing", "with\0nul"))


@pytest.mark.skipif(not Path("/dev/loop0").exists(), reason="this host has no block device to ask")
def test_a_block_device_without_a_tray_is_no_drive() -> None:
    assert not is_cdrom("/dev/loop0")


def test_a_drive_that_answers_gets_the_driver_for_drives_in_its_top_image_alone() -> None:
    drive = Source(BlockLocation("/dev/sr0"), Format.RAW, chain_index=1, readonly=True)
    assert blockdev(drive, NodePolicy(host_cdrom=True)).nodes()[0]["driver"] == "host_cdrom"
    assert blockdev(drive, NodePolicy()).nodes()[0]["driver"] == "host_device"
