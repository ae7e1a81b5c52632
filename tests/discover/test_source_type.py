"""What a document calls a layer, and what is there: QEMU's drivers open nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.checks.examining import MakeImage, image, told
from tests.discover.chains import discover, overlay
from tests.live.daemons import libvirt
from tests.live.domains import PausedDomain
from tests.live.storage import QemuImg

from diskchain.discover import Discoverer
from diskchain.findings import Severity
from diskchain.storage.location import BlockLocation, DirLocation, FileLocation, Location
from diskchain.storage.source import TERMINATOR, Source, stack
from diskchain.storage.terms import Format

__all__ = ["image"]

WRONG = [(0, "source-type", Severity.ERROR)]


def told_of(location: Location, format: Format = Format.RAW) -> list[tuple[int, str, Severity]]:
    return told(Discoverer().discover(Source(location, format)))


def test_a_directory_is_no_file_whatever_its_format(tmp_path: Path) -> None:
    for format in (Format.RAW, Format.QCOW2):
        assert told_of(FileLocation(str(tmp_path)), format) == WRONG
    assert told_of(DirLocation(str(tmp_path)), Format.FAT) == []


def test_a_block_device_is_no_file_and_a_file_no_block_device(
    tmp_path: Path, loop_device: Callable[[Path], Path]
) -> None:
    path = tmp_path / "disk"
    path.write_bytes(bytes(1 << 20))
    device = str(loop_device(path))
    assert told_of(FileLocation(device)) == WRONG
    assert told_of(BlockLocation(device)) == []
    assert told_of(BlockLocation(str(path))) == WRONG
    assert told_of(DirLocation(str(path)), Format.FAT) == WRONG


def test_a_file_descriptor_may_be_anything(tmp_path: Path) -> None:
    assert told_of(FileLocation(str(tmp_path), fdgroup="mine")) == []


def test_it_is_said_of_every_declared_layer_but_of_none_that_was_found(
    qemu_img: QemuImg, image: MakeImage, loop_device: Callable[[Path], Path], tmp_path: Path
) -> None:
    base = image("base.raw", "1M", "raw")
    device = loop_device(base)
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(device), "raw")
    layers = [Source(FileLocation(str(top)), Format.QCOW2), Source(FileLocation(str(device)), Format.RAW)]
    assert (1, "source-type", Severity.ERROR) in told(Discoverer().discover(stack(layers, TERMINATOR)))
    assert "source-type" not in [id for _, id, _ in told(discover(top))]


@pytest.mark.parametrize("type", ["file", "block"])
def test_no_domain_starts_with_it(
    image_dir: Path,
    loop_device: Callable[[Path], Path],
    paused_domain: Callable[..., PausedDomain],
    type: str,
) -> None:
    path = image_dir / "disk"
    path.write_bytes(bytes(1 << 20))
    source = f"file='{loop_device(path)}'" if type == "file" else f"dev='{path}'"
    disk = f"<disk type='{type}'><driver name='qemu' type='raw'/><source {source}/><target dev='vda'/></disk>"
    with pytest.raises(libvirt.libvirtError, match="driver requires"):
        paused_domain(disk)
