"""Two disks and one image: what is said of them, against what QEMU does when both open it."""

import subprocess
from itertools import combinations_with_replacement, product
from pathlib import Path

import pytest
from tests.live.peers import requires
from tests.live.storage import QemuImg

from diskchain.checks.consistency import examine
from diskchain.checks.relations import Attached, Use, uses
from diskchain.discover import Discoverer
from diskchain.discover.chain import BackingChain
from diskchain.findings import Finding, Severity, Stops
from diskchain.storage.location import FileLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format

#: Read-only, and shareable.
_FLAGS = tuple(product((False, True), repeat=2))


def chain(path: Path, *, readonly: bool = False, shared: bool = False, format: Format = Format.RAW) -> BackingChain:
    return Discoverer().discover(Source(FileLocation(str(path)), format, readonly=readonly, shared=shared))


def said(disk: Attached, *others: Attached) -> list[Finding]:
    return [found for _, found in examine(disk.chain, used=uses([disk, *others])) if found.id == "image-used-twice"]


@pytest.fixture
def image(tmp_path: Path, qemu_img: QemuImg) -> Path:
    path = tmp_path / "disk.raw"
    qemu_img("create", "-q", "-f", "raw", path, "1M")
    return path


def qemu_starts(path: Path, *disks: tuple[bool, bool]) -> bool:
    """Whether one QEMU opens the image once for each (read-only, shareable)."""
    words = ["qemu-system-x86_64", "-S", "-nodefaults", "-display", "none", "-monitor", "stdio"]
    for number, (readonly, shared) in enumerate(disks):
        node = f"driver=file,filename={path},node-name=n{number},read-only={'on' if readonly else 'off'}"
        words += ["-blockdev", node]
        words += ["-device", f"virtio-blk-pci,drive=n{number},share-rw={'on' if shared else 'off'}"]
    return subprocess.run(words, input=b"quit\n", capture_output=True, check=False).returncode == 0


@requires("qemu-system-x86_64")
@pytest.mark.qemu
@pytest.mark.parametrize(("one", "other"), [*combinations_with_replacement(_FLAGS, 2)])
def test_a_clash_is_what_qemu_refuses(one: tuple[bool, bool], other: tuple[bool, bool], image: Path) -> None:
    disks = [
        Attached(f"vd{letter} of web", chain(image, readonly=readonly, shared=shared), "web", f"vd{letter}")
        for letter, (readonly, shared) in zip("ab", (one, other), strict=True)
    ]
    found = said(*disks)
    assert bool(found) is not qemu_starts(image, one, other)
    assert all((each.severity, each.stops) == (Severity.ERROR, Stops.START) for each in found)


def test_two_guests_that_write_are_an_error_and_a_reader_beside_a_writer_is_a_warning(image: Path) -> None:
    web, db = Attached("vda of web", chain(image), "web", "vda"), Attached("vda of db", chain(image), "db", "vda")
    (found,) = said(web, db)
    assert (found.severity, found.stops) == (Severity.ERROR, None)
    assert "written by vda of web and by vda of db" in found.message
    reader = Attached("vdb of db", chain(image, readonly=True), "db", "vdb")
    (found,) = said(reader, web)
    assert (found.severity, found.stops) == (Severity.WARNING, None)
    assert "written by vda of web and read by vdb of db" in found.message


def test_a_guest_described_twice_is_one_guest(image: Path) -> None:
    live, defined = (
        Attached("vda of web", chain(image), "uuid", "vda"),
        Attached("vda of web.xml", chain(image), "uuid", "vda"),
    )
    assert not said(live, defined)


def test_a_disk_before_its_snapshot_does_not_write_to_the_base_of_the_disk_after(
    image: Path, tmp_path: Path, qemu_img: QemuImg
) -> None:
    top = tmp_path / "top.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", image, "-F", "raw", top)
    after = Attached("vda of web", chain(top, format=Format.QCOW2), "web", "vda")
    assert uses([after, Attached("vda of snapshot.xml", chain(image), "web", "vda")]) == {}
    other = Attached("vda of db", chain(image), "db", "vda")
    assert [use.writer for use in uses([after, other]).values()] == ["vda of db"]


def test_an_iso_that_all_read_and_a_shareable_disk_are_in_order(image: Path) -> None:
    for same in (chain(image, readonly=True), chain(image, shared=True)):
        disks = [Attached(f"vda of {name}", same, name, "vda") for name in ("a", "b", "c")]
        assert not said(*disks)
        assert uses(disks) == {}


def test_a_data_file_that_two_guests_write_is_found(tmp_path: Path, qemu_img: QemuImg) -> None:
    data = tmp_path / "data.raw"
    for name in ("a", "b"):
        qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data}", tmp_path / name, "1M")
    disks = [
        Attached(f"vda of {name}", chain(tmp_path / name, format=Format.QCOW2), name, "vda") for name in ("a", "b")
    ]
    (found,) = said(*disks)
    assert found.file == str(data)


def test_a_file_nobody_else_has_is_of_no_interest(image: Path) -> None:
    assert uses([("vda", chain(image))]) == {}
    assert Use().clash is None
