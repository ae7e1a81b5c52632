"""`diskchain complete` against libvirt: what it fills in is what a started domain shows."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
from lxml import etree

from diskchain.cli.main import main
from tests.live.chains import ChainMaker, generated_chain
from tests.live.daemons import Libvirtd
from tests.live.differences import DIFFERENCES
from tests.live.domains import PausedDomain
from tests.live.odd_disks import OddMaker, odd_disk, odd_drive
from tests.live.storage import QemuImg

CHAINS = 48
PER_DOMAIN = 8

#: Odd disks and drives of each domain, and so many domains of them.
ODD_DISKS, ODD_DRIVES, ODD_DOMAINS = 16, 4, 3

#: What a live XML adds to each disk: identities of one run. XPath relative to the disk.
_OF_THE_RUN = ("alias", "address")


def disks(
    document: bytes, libvirt_version: int, side: Literal["ours", "live"] = "ours", *, without: str | None = None
) -> dict[str, object]:
    """The disks of a document by target, with all that is listed as a difference, the one called ``without`` apart, made equal."""
    found = {}
    for disk in etree.fromstring(document).findall("devices/disk"):
        target = disk.find("target")
        assert target is not None
        for name in _OF_THE_RUN:
            for element in disk.findall(name):
                disk.remove(element)
        for difference in DIFFERENCES:
            if libvirt_version < difference.until and difference.name != without:
                getattr(difference, side)(disk)
        found[str(target.get("dev"))] = as_value(disk)
    return found


def as_value(element: etree._Element) -> object:
    attributes = {key: value for key, value in element.items() if key != "index"}
    return (
        element.tag,
        attributes,
        (element.text or "").strip(),
        [as_value(child) for child in element.iterchildren(etree.Element)],
    )


def test_the_generated_chains_cover_every_feature() -> None:
    chains = [generated_chain(seed) for seed in range(CHAINS)]
    layers = [layer for chain in chains for layer in chain.layers]
    assert {len(chain.layers) for chain in chains} == set(range(1, 9))
    counts: Counter[str] = Counter(layer.kind for layer in layers)
    counts.update(layer.naming for chain in chains for layer in chain.layers[1:])
    counts["block device"] = sum(layer.block for layer in layers)
    counts["data file"] = sum(layer.data_file for layer in layers)
    counts["format not recorded"] = sum(not layer.recorded for layer in layers)
    counts["partial chain"] = sum(0 < chain.declared < len(chain.layers) - 1 for chain in chains)
    counts["end above more files"] = sum(chain.ended and chain.declared < len(chain.layers) - 1 for chain in chains)
    assert len(counts) == 11
    assert min(counts.values()) >= 4, counts


class Bench(NamedTuple):
    """What a test needs to compare `complete` with libvirt."""

    start: Callable[..., PausedDomain]
    version: int
    directory: Path

    def completed(self, xml: str, *, exit_codes: tuple[int, ...] = (0,)) -> bytes:
        """A domain's document with these disks, completed; stripped, it is the same as before."""
        document, output = self.directory / "vm.xml", self.directory / "completed.xml"
        document.write_text(f"<domain>\n<devices>\n{xml}</devices>\n</domain>\n")
        assert main(["complete", str(document), "-o", str(output)]) in exit_codes
        completed = output.read_bytes()
        assert main(["complete", "--strip", str(output), "--in-place"]) == 0
        assert output.read_bytes() == document.read_bytes()
        return completed

    def live(self, xml: str) -> dict[str, object]:
        """The disks of a domain started with these."""
        return disks(self.start(xml).live_xml().encode(), self.version, "live")


@pytest.fixture
def bench(tmp_path: Path, libvirtd: Libvirtd, paused_domain: Callable[..., PausedDomain]) -> Bench:
    return Bench(paused_domain, libvirtd.connection.getLibVersion(), tmp_path)


@pytest.fixture
def maker(image_dir: Path, qemu_img: QemuImg, loop_device: Callable[[Path], Path]) -> ChainMaker:
    return ChainMaker(image_dir, qemu_img, loop_device)


def generated_disks(maker: ChainMaker, first: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"[:PER_DOMAIN]
    return "".join(maker.disk_xml(generated_chain(first + n), f"vd{letter}") for n, letter in enumerate(letters))


@pytest.mark.parametrize("first", range(0, CHAINS, PER_DOMAIN))
def test_completed_disks_are_those_of_the_started_domain(maker: ChainMaker, bench: Bench, first: int) -> None:
    xml = generated_disks(maker, first)
    # 1: a format that is not recorded is a finding.
    assert disks(bench.completed(xml, exit_codes=(0, 1)), bench.version) == bench.live(xml)


def test_a_domain_started_from_the_completed_document_has_the_same_disks(maker: ChainMaker, bench: Bench) -> None:
    xml = generated_disks(maker, 0)
    completed = bench.completed(xml, exit_codes=(0, 1)).decode()
    from_completed = completed.partition("<devices>")[2].partition("</devices>")[0]
    # What is declared is not overlooked.
    ours = disks(completed.encode(), bench.version, without="overlooked data file")
    assert bench.live(from_completed) == ours


def test_labels_slices_and_removable_media_are_as_libvirt_has_them(
    bench: Bench, image_dir: Path, qemu_img: QemuImg
) -> None:
    base, middle, top, iso = (image_dir / name for name in ("base.raw", "middle.qcow2", "top.qcow2", "cd.iso"))
    part = f'json:{{"driver":"raw","offset":512,"size":1048576,"file":{{"driver":"file","filename":"{base}"}}}}'
    qemu_img("create", "-q", "-f", "raw", base, "2M")
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", part, "-F", "raw", middle, "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", "middle.qcow2", "-F", "qcow2", top)
    qemu_img("create", "-q", "-f", "raw", iso, "1M")
    for path in (base, middle, top):
        path.chmod(0o666)  # the label says that libvirt must not open them to QEMU itself
    xml = f"""\
<disk type='file' device='disk'>
  <driver name='qemu' type='qcow2'/>
  <source file='{top}'>
    <seclabel model='dac' relabel='no'/>
  </source>
  <target dev='vda' bus='virtio'/>
</disk>
<disk type='file' device='cdrom'>
  <driver name='qemu' type='raw'/>
  <source file='{iso}'/>
  <target dev='hda' bus='ide'/>
  <readonly/>
</disk>
<disk type='file' device='cdrom'>
  <driver name='qemu'/>
  <target dev='hdb' bus='ide'/>
  <readonly/>
</disk>
"""
    completed = bench.completed(xml, exit_codes=(1,))  # everybody may write to its layers
    assert completed.count(b"<slice ") == 1
    assert completed.count(b"<seclabel") == 3
    assert disks(completed, bench.version) == bench.live(xml)


def odd_disks(maker: OddMaker, number: int) -> str:
    first_disk, first_drive = number * ODD_DISKS, number * ODD_DRIVES
    letters = "abcdefghijklmnopqrstuvwxyz"
    disks = (maker.disk_xml(odd_disk(first_disk + n), f"vd{letters[n]}") for n in range(ODD_DISKS))
    drives = (maker.drive_xml(odd_drive(first_drive + n), f"hd{letters[n]}") for n in range(ODD_DRIVES))
    return "".join([*disks, *drives])


@pytest.fixture
def odd_maker(image_dir: Path, qemu_img: QemuImg) -> OddMaker:
    return OddMaker(image_dir, qemu_img)


def test_every_other_difference_is_listed_with_its_reason(odd_maker: OddMaker, bench: Bench) -> None:
    met = {"data file", "overlooked data file"}  # the generated chains have those
    for number in range(ODD_DOMAINS):
        xml = odd_disks(odd_maker, number)
        completed = bench.completed(xml, exit_codes=(0, 1))
        running = bench.start(xml)
        live = running.live_xml().encode()
        running.domain.destroy()
        assert disks(completed, bench.version) == disks(live, bench.version, "live")
        for name in {each.name for each in DIFFERENCES} - met:
            ours = disks(completed, bench.version, without=name)
            if ours != disks(live, bench.version, "live", without=name):
                met.add(name)
    assert met == {each.name for each in DIFFERENCES}
