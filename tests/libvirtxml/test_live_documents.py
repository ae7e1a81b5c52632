"""Documents a real libvirtd writes of running domains: read, and written back, they are the same bytes."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import libvirt
import pytest
from tests.live.daemons import Libvirtd
from tests.live.domains import PausedDomain
from tests.live.storage import QemuImg

from diskchain.behaviours import nodes_profile
from diskchain.guest.terms import MirrorJob, MirrorState
from diskchain.libvirtxml.documents.backup import DiskBackupState, format_backup, parse_backup
from diskchain.libvirtxml.documents.blockjob import BlockJobState, BlockJobType
from diskchain.libvirtxml.documents.domain import format_domain, parse_domain
from diskchain.libvirtxml.documents.snapshot import format_snapshot, parse_snapshot
from diskchain.libvirtxml.documents.status import DomainStatus, format_status, parse_status
from diskchain.libvirtxml.view import View
from diskchain.qemu.policy import PROFILES
from diskchain.storage.source import chain_end, layers
from diskchain.storage.terms import Format

_PATIENCE = 20  # seconds for a block job over a few MiB
_POLL = 0.05

_DISKS = """
<disk type='file' device='disk'>
  <driver name='qemu' type='qcow2' cache='none' copy_on_read='on'/><source file='{dir}/top.qcow2'/>
  <target dev='vda' bus='virtio'/><serial>a_b</serial>
</disk>
<disk type='file' device='cdrom'><target dev='hdc'/></disk>
<disk type='file' device='disk'>
  <driver name='qemu' type='qcow2'/><source file='{dir}/plain.qcow2'><slices/></source><target dev='vdb'/>
  <iotune><total_iops_sec>1000</total_iops_sec><group_name>a &amp; b</group_name></iotune><boot order='1'/>
</disk>
"""


class Running(NamedTuple):
    """A domain with a chain of three, an empty drive and a plain disk."""

    paused: PausedDomain
    directory: Path
    state: Path

    @property
    def domain(self) -> Any:
        return self.paused.domain

    def status_xml(self) -> str:
        return (self.state / f"{self.paused.name}.xml").read_text()

    def status(self) -> DomainStatus:
        return parse_status(self.status_xml())

    def until_status(self, fits: Callable[[DomainStatus], bool]) -> str:
        deadline = time.monotonic() + _PATIENCE
        while not fits(self.status()):
            assert time.monotonic() < deadline, f"not within {_PATIENCE} s: {self.status().jobs}"
            time.sleep(_POLL)
        return self.status_xml()


@pytest.fixture
def running(
    libvirtd: Libvirtd, paused_domain: Callable[..., PausedDomain], image_dir: Path, qemu_img: QemuImg
) -> Running:
    qemu_img("create", "-q", "-f", "raw", image_dir / "base.raw", "4M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", image_dir / "mid.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", "-b", image_dir / "mid.qcow2", "-F", "qcow2", image_dir / "top.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", image_dir / "plain.qcow2", "4M")
    paused = paused_domain(_DISKS.format(dir=image_dir), persistent=True)
    paused.domain.resume()
    return Running(paused, image_dir, libvirtd.run / "qemu")


def test_the_live_document_is_written_back_byte_for_byte(running: Running) -> None:
    text = running.paused.live_xml()
    domain = parse_domain(text)
    assert format_domain(domain, view=View.LIVE) == text
    assert [disk.target.dev for disk in domain.disks] == ["vda", "vdb", "hdc"]
    assert len(list(layers(domain.disk("vda").source))) == 3


def test_the_configuration_is_written_back_byte_for_byte(running: Running) -> None:
    text = running.paused.inactive_xml()
    assert format_domain(parse_domain(text)) == text


def test_the_migratable_document_is_written_back_byte_for_byte(running: Running) -> None:
    text = running.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE)
    assert format_domain(parse_domain(text), view=View.MIGRATABLE) == text


def test_what_only_runs_is_left_out_of_a_configuration_made_from_the_live_document(running: Running) -> None:
    text = format_domain(parse_domain(running.paused.live_xml()), view=View.INACTIVE)
    disks = text.partition("<controller")[0]
    assert "index=" not in disks
    assert "alias" not in disks


def test_the_status_document_is_written_back_byte_for_byte(running: Running, libvirtd: Libvirtd) -> None:
    text = running.status_xml()
    status = parse_status(text)
    assert format_status(status) == text
    top = status.domain.disk("vda").source
    raw_nodes = PROFILES[nodes_profile(libvirtd.versions)].raw_nodes
    assert [layer.runtime and layer.runtime.format_node for layer in layers(top)] == [
        f"libvirt-{layer.chain_index}-format" if raw_nodes or layer.format is not Format.RAW else None
        for layer in layers(top)
    ]
    assert chain_end(top) is not None
    assert status.pid is not None
    assert not status.jobs


def test_mirrors_and_block_jobs_are_written_back_byte_for_byte(running: Running) -> None:
    copy = f"<disk type='file'><driver type='qcow2'/><source file='{running.directory}/copy.qcow2'/></disk>"
    running.domain.blockCopy("vdb", copy, {}, libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB)
    running.domain.blockCommit("vda", None, None, 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)
    text = running.until_status(lambda status: {job.state for job in status.jobs} == {BlockJobState.READY})
    status = parse_status(text)
    assert format_status(status) == text
    assert {job.type: job.disk for job in status.jobs} == {
        BlockJobType.ACTIVE_COMMIT: "vda",
        BlockJobType.COPY: "vdb",
    }
    mirrors = {disk.target.dev: disk.mirror for disk in status.domain.disks if disk.mirror is not None}
    assert {dev: (mirror.job, mirror.ready) for dev, mirror in mirrors.items()} == {
        "vda": (MirrorJob.ACTIVE_COMMIT, MirrorState.READY),
        "vdb": (MirrorJob.COPY, MirrorState.READY),
    }
    live = running.paused.live_xml()
    assert format_domain(parse_domain(live), view=View.LIVE) == live
    running.domain.blockJobAbort("vda")
    running.domain.blockJobAbort("vdb")


def test_a_snapshot_with_its_two_domains_is_written_back_byte_for_byte(running: Running) -> None:
    request = (
        f"<domainsnapshot><name>s1</name><disks><disk name='vda' snapshot='external'><source file='{running.directory}/s1'/>"
        "</disk><disk name='vdb' snapshot='no'/></disks></domainsnapshot>"
    )
    made = running.domain.snapshotCreateXML(request, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
    text = made.getXMLDesc(0)
    snapshot = parse_snapshot(text)
    made.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    assert format_snapshot(snapshot) == text
    assert snapshot.domain is not None
    assert snapshot.inactive_domain is not None
    assert [disk.target.dev for disk in snapshot.domain.disks] == ["vda", "vdb", "hdc"]


def test_a_backup_and_the_status_of_it_are_written_back_byte_for_byte(running: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # A pull lasts until it is told to end.
    running.domain.backupBegin(
        f"<domainbackup mode='pull'><server transport='tcp' name='127.0.0.1' port='{port}'/><disks>"
        f"<disk name='vda' type='file' exportname='x'><driver type='qcow2'/><scratch file='{running.directory}/scratch'/>"
        "</disk><disk name='vdb' backup='no'/></disks></domainbackup>",
        None,
    )
    text = running.domain.backupGetXMLDesc()
    kept = running.status_xml()
    running.domain.abortJob()
    assert format_backup(parse_backup(text)) == text
    status = parse_status(kept)
    assert format_status(status) == kept
    assert [disk.state for disk in status.backups[0].disks] == [DiskBackupState.RUNNING, None, None]
