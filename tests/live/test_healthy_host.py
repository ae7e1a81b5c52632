"""A healthy host as a distribution makes it, with many domains: nothing is found beyond notes, and those are few."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diskchain.actions.check import check, domains_of
from diskchain.actions.target import TargetName
from diskchain.findings import Finding, Severity
from tests.live.access_domains import DOMAIN, disk
from tests.live.peers import requires
from tests.live.private_libvirtd import PrivateLibvirtd, started
from tests.live.storage import QemuImg

pytestmark = [pytest.mark.libvirtd, requires("root"), pytest.mark.timeout(300)]

_DOMAINS = 20


@pytest.fixture(scope="module")
def daemon() -> Iterator[PrivateLibvirtd]:
    with started() as private:
        yield private


def domains(daemon: PrivateLibvirtd, directory: Path, qemu_img: QemuImg) -> list[Any]:
    """Overlays over one golden image, images of their own, chains, an ISO in many drives, a shareable disk of two."""
    golden, iso, shared = directory / "golden.qcow2", directory / "tools.iso", directory / "shared.raw"
    qemu_img("create", "-q", "-f", "qcow2", golden, "1M")
    for path in (iso, shared):
        qemu_img("create", "-q", "-f", "raw", path, "1M")
    made = []
    for number in range(_DOMAINS):
        top = directory / f"vm{number}.qcow2"
        backing = ("-b", golden.name, "-F", "qcow2") if number % 2 else ()
        qemu_img("create", "-q", "-f", "qcow2", *backing, top, "1M")
        top.chmod(0o600)
        disks = [disk(top)]
        if number % 3 == 0:
            disks.append(
                f"<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='{iso}'/>"
                "<target dev='sda' bus='sata'/><readonly/></disk><controller type='sata' index='0'/>"
            )
        if number in (1, 2):
            disks.append(disk(shared, target="vdb", format="raw", after="<shareable/>"))
        xml = DOMAIN.format(name=f"vm{number}", disks="".join(disks), seclabel="")
        made.append(daemon.connection.defineXML(xml))
    return made


def found(daemon: PrivateLibvirtd) -> list[Finding]:
    names = [TargetName(name, connect=daemon.uri) for name in domains_of(daemon.uri)]
    assert len(names) == _DOMAINS
    return [each for report in check(names, host=daemon.uri) for each in report.findings]


def test_many_domains_before_while_and_after_they_run(
    daemon: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg
) -> None:
    image_dir.chmod(0o711)
    every = domains(daemon, image_dir, qemu_img)
    assert worse_than_notes(found(daemon)) == []
    running = every[:6]
    for domain in running:
        daemon.start_paused(domain)
    assert worse_than_notes(found(daemon)) == []
    for domain in running:
        domain.destroy()
    after = found(daemon)
    assert worse_than_notes(after) == []
    # The golden image stays with QEMU's user, and so does the ISO: one note for both.
    (note,) = [each for each in after if each.id == "label-left-behind"]
    assert "golden.qcow2" in note.message
    for domain in every:
        domain.undefine()


def test_a_chown_of_everything_is_one_note(daemon: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg) -> None:
    import shutil

    every = domains(daemon, image_dir, qemu_img)
    for path in image_dir.iterdir():
        shutil.chown(path, "libvirt-qemu")
    notes = [each for each in found(daemon) if each.id in ("owned-by-qemu", "label-left-behind")]
    assert len(notes) == 1
    assert worse_than_notes(found(daemon)) == []
    for domain in every:
        domain.undefine()


def worse_than_notes(findings: list[Finding]) -> list[Finding]:
    return [each for each in findings if each.severity is not Severity.INFO]
