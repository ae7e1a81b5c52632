"""Jobs on the disk of a domain that libvirt has defined and does not run: the persistent definition follows the chain."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import libvirt
import pytest

from tests.cli.commands import diskchain
from tests.jobs.trees import DISK, Tree, content, make
from tests.live.daemons import Libvirtd
from tests.live.domains import PausedDomain
from tests.live.storage import QemuImg

pytestmark = pytest.mark.qemu


@pytest.fixture
def tree(qemu_img: QemuImg, image_dir: Path) -> Tree:
    return make(qemu_img, image_dir / "images")


@pytest.fixture
def domain(libvirtd: Libvirtd, tree: Tree) -> Iterator[libvirt.virDomain]:
    text = (
        DISK.format(format="qcow2", top=tree.top, below="")
        .replace("type='kvm'", "type='qemu'")
        .replace(">vm<", ">jobs-vm<")
    )
    defined = libvirtd.connection.defineXML(text)
    yield defined
    defined.undefine()


def run(libvirtd: Libvirtd, tree: Tree, verb: str, *words: str | Path) -> None:
    done = diskchain(verb, "-c", libvirtd.uri, "jobs-vm", *words, "--state", tree.state, seconds=120)
    assert done.code == 0, done.err


def test_a_snapshot_and_a_merge_are_in_the_definition(
    libvirtd: Libvirtd, tree: Tree, domain: libvirt.virDomain
) -> None:
    before, defined = content(tree.top, tree.place), domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    run(libvirtd, tree, "snapshot", tree.path("new"))
    assert f"<source file='{tree.path('new')}'/>" in domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    run(libvirtd, tree, "commit", "--base", tree.top, "--delete")
    assert domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) == defined
    assert content(tree.top, tree.place) == before
    run(libvirtd, tree, "commit", "--delete")
    assert f"<source file='{tree.path('base')}'/>" in domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert content(tree.path("base"), tree.place) == before


def test_a_definition_with_the_whole_chain_follows_and_is_put_back(
    libvirtd: Libvirtd, tree: Tree, domain: libvirt.virDomain, tmp_path: Path
) -> None:
    completed = tmp_path / "completed.xml"
    assert diskchain("complete", "-c", libvirtd.uri, "jobs-vm", "-o", completed).code == 0
    libvirtd.connection.defineXML(completed.read_text())
    defined = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    run(libvirtd, tree, "commit", "--top", tree.path("low"))
    now = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert "low.qcow2" not in now
    assert "base.qcow2" in now
    assert diskchain("diff", "-c", libvirtd.uri, "jobs-vm").code == 0
    assert diskchain("rollback", "1", "--state", tree.state).code == 0
    assert domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) == defined


def test_a_running_domain_is_refused(
    libvirtd: Libvirtd, tree: Tree, paused_domain: Callable[..., PausedDomain]
) -> None:
    disk = (
        f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{tree.top}'/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    subprocess.run(["chmod", "-R", "a+rwX", str(tree.place)], check=True)
    running = paused_domain(disk, persistent=True)
    refused = diskchain("commit", "-c", libvirtd.uri, running.name, "--state", tree.state)
    assert refused.code == 2
    assert f"domain {running.name} runs" in refused.err


def test_another_domain_on_a_layer_is_found_wherever_its_overlay_is(
    libvirtd: Libvirtd, tree: Tree, domain: libvirt.virDomain, qemu_img: QemuImg, tmp_path: Path
) -> None:
    overlay = tmp_path / "elsewhere.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", tree.path("base"), "-F", "qcow2", overlay)
    text = DISK.format(format="qcow2", top=overlay, below="").replace("type='kvm'", "type='qemu'")
    other = libvirtd.connection.defineXML(text.replace(">vm<", ">other-vm<"))
    try:
        words = ("-c", libvirtd.uri, "jobs-vm", "--top", tree.path("mid"), "--state", tree.state)
        refused = diskchain("commit", *words)
    finally:
        other.undefine()
    assert refused.code == 2
    assert f"domain other-vm uses {tree.path('base')}" in refused.err
    assert domain.name() == "jobs-vm"


def test_a_snapshot_that_names_a_file_that_goes_is_told_of(
    libvirtd: Libvirtd, tree: Tree, domain: libvirt.virDomain
) -> None:
    disk = f"<disks><disk name='vda' snapshot='external'><source file='{tree.path('new')}'/></disk></disks>"
    flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
    snapshot = domain.snapshotCreateXML(f"<domainsnapshot><name>monday</name>{disk}</domainsnapshot>", flags)
    try:
        words = ("-c", libvirtd.uri, "jobs-vm", "--top", tree.top, "--delete", "--plan", "--state", tree.state)
        shown = diskchain("commit", *words)
    finally:
        snapshot.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    assert f"snapshot monday of domain jobs-vm names {tree.top}, which is to be deleted" in shown.out
