"""What an overlay records, or does not, as the format of its backing file: read as a real libvirtd reads it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from diskchain.behaviours import for_versions
from diskchain.cli.main import main
from diskchain.discover import BackingChain, Discoverer
from diskchain.findings import Severity
from diskchain.readers.policy import LIBVIRT, STRICT, UPLOAD, OpenPolicy
from diskchain.storage.location import FileLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format
from tests.checks.examining import mend
from tests.discover.chains import discover, ids
from tests.discover.written import write_qcow2
from tests.live.daemons import Libvirtd, libvirt
from tests.live.domains import PausedDomain
from tests.live.storage import QemuImg
from tests.live.test_complete import Bench, bench, disks

__all__ = ["bench"]

_VOLUME_DESCRIPTOR = 16 * 2048
Start = Callable[..., PausedDomain]


@pytest.fixture
def iso(image_dir: Path) -> Path:
    """The smallest thing that libvirt takes for an ISO 9660 volume."""
    path = image_dir / "cd.iso"
    path.write_bytes(bytes(_VOLUME_DESCRIPTOR) + b"\1CD001" + bytes((1 << 20) - _VOLUME_DESCRIPTOR - 6))
    return path


def disk_xml(top: Path) -> str:
    return (
        f"<disk type='file' device='disk'>\n  <driver name='qemu' type='qcow2'/>\n  <source file='{top}'/>\n"
        "  <target dev='vda' bus='virtio'/>\n</disk>\n"
    )


def over(directory: Path, backing: str, recorded: str | None) -> Path:
    return write_qcow2(directory / "top.qcow2", backing, recorded)


def below(chain: BackingChain) -> Format | None:
    return [*chain.layers][1].source.format


@pytest.mark.parametrize("recorded", [None, "iso"])
def test_an_iso_below_an_overlay_is_raw(bench: Bench, iso: Path, recorded: str | None) -> None:
    xml = disk_xml(over(iso.parent, str(iso), recorded))
    completed = bench.completed(xml, exit_codes=(1,))
    assert b"<format type='raw'/>" in completed
    assert disks(completed, bench.version) == bench.live(xml)


@pytest.mark.parametrize(
    ("recorded", "found"), [(None, "format-not-recorded"), ("iso", "format-unknown")], ids=["nothing", "iso"]
)
def test_what_is_said_of_it(iso: Path, recorded: str | None, found: str) -> None:
    chain = discover(over(iso.parent, iso.name, recorded))
    assert ids(chain) == [found]
    assert chain.complete


def test_the_command_for_it_is_one_that_qemu_takes(iso: Path, qemu_img: QemuImg) -> None:
    top = over(iso.parent, iso.name, None)
    mend(qemu_img, *discover(top).findings)
    chain = discover(top)
    assert (below(chain), ids(chain)) == (Format.RAW, [])


def test_an_iso_nobody_declared_a_format_of_is_raw(iso: Path) -> None:
    assert ids(discover(iso, None)) == []
    assert discover(iso, None, probe=True).source.format is Format.RAW


@pytest.mark.parametrize("policy", [LIBVIRT, STRICT, UPLOAD], ids=lambda policy: policy.name)
def test_by_any_rules_of_guessing_it_is_raw(iso: Path, policy: OpenPolicy) -> None:
    chain = Discoverer(policy).discover(Source(FileLocation(str(iso))), probe=True)
    assert (chain.source.format, ids(chain)) == (Format.RAW, ["format-probed"])


def test_what_could_be_a_qcow2_as_well_is_raw_to_libvirt_and_nothing_to_the_wary(bench: Bench, iso: Path) -> None:
    with iso.open("r+b") as file:
        file.write(write_qcow2(iso.with_name("header")).read_bytes()[:512])
    xml = disk_xml(over(iso.parent, str(iso), None))
    assert disks(bench.completed(xml, exit_codes=(1,)), bench.version) == bench.live(xml)
    chain = Discoverer(UPLOAD).discover(Source(FileLocation(str(iso))), probe=True)
    assert (chain.source.format, ids(chain)) == (None, ["format-ambiguous"])


@pytest.mark.parametrize("recorded", ["fat", "raw", "qcow2", "dir", None])
def test_a_directory_below_an_overlay_is_read_with_fat_recorded_alone(
    paused_domain: Start, image_dir: Path, recorded: str | None
) -> None:
    (image_dir / "dir").mkdir()
    top = over(image_dir, f"fat:{image_dir}/dir", recorded)
    assert told(image_dir, top) == (0 if recorded == "fat" else 1)
    assert starts(paused_domain, top) == (recorded == "fat")


def test_none_is_not_the_name_of_a_format(paused_domain: Start, iso: Path, libvirtd: Libvirtd) -> None:
    top = over(iso.parent, str(iso), "none")
    chain = discover(top)
    (found,) = chain.findings
    assert (found.id, found.severity) == ("format-unknown", Severity.ERROR)
    assert below(chain) is Format.RAW
    assert chain.faulty
    assert told(iso.parent, top) == 1
    assert starts(paused_domain, top) == (for_versions(found, libvirtd.versions).stops is None)


def told(directory: Path, top: Path) -> int:
    """The exit code of ``check`` for a disk with this top image."""
    document = directory / "vm.xml"
    document.write_text(f"<domain><devices>{disk_xml(top)}</devices></domain>")
    return main(["check", str(document)])


def starts(start: Start, top: Path) -> bool:
    try:
        start(disk_xml(top))
    except libvirt.libvirtError:
        return False
    return True


def test_a_directory_that_is_read_is_completed(bench: Bench, image_dir: Path) -> None:
    (image_dir / "dir").mkdir()
    xml = disk_xml(over(image_dir, f"fat:{image_dir}/dir", "fat"))
    assert disks(bench.completed(xml), bench.version) == bench.live(xml)
