"""Whole documents: domains, snapshots, backups, status; what libvirt keeps and what it refuses."""

from dataclasses import replace

import pytest

from diskchain.errors import UsageError, XmlError
from diskchain.guest.terms import SnapshotPolicy
from diskchain.libvirtxml.documents.backup import (
    Backup,
    BackupDisk,
    BackupMode,
    BackupServer,
    format_backup,
    parse_backup,
)
from diskchain.libvirtxml.documents.blockjob import BlockJobState, BlockJobType
from diskchain.libvirtxml.documents.domain import format_domain, parse_domain, post_parse_domain
from diskchain.libvirtxml.documents.snapshot import format_snapshot, parse_snapshot, post_parse_snapshot
from diskchain.libvirtxml.documents.status import format_status, parse_status
from diskchain.libvirtxml.postparse import Profile
from diskchain.storage.location import FileLocation
from diskchain.storage.source import TERMINATOR, Source, layers
from diskchain.storage.terms import Format

_DOMAIN = """\
<?xml version="1.0"?>
<!-- by hand -->
<domain type="kvm" xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>web &amp; db</name>
  <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>
  <devices>
    <emulator>/bin/qemu</emulator>
    <disk type="file"><source file="/b"/><target dev="vdb" bus="virtio"/></disk> <!-- the second -->
    <controller type='usb'/>
    <disk type='file' device='disk'>
      <source file='/a'/>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-S'/>
  </qemu:commandline>
</domain>
<!-- end -->
"""


def test_the_disks_are_sorted_and_the_rest_stays_as_it_stood() -> None:
    domain = parse_domain(_DOMAIN)
    assert (domain.name, domain.type, domain.id) == ("web & db", "kvm", None)
    assert [disk.target.dev for disk in domain.disks] == ["vda", "vdb"]
    assert domain.order == (1, 0)
    text = format_domain(domain)
    disk = "    <disk type='file' device='disk'>\n      <source file='/{0}'/>\n      <target dev='vd{0}' bus='virtio'/>\n    </disk>\n"
    assert disk.format("a") + disk.format("b") in text
    for part in (
        '<?xml version="1.0"?>\n<!-- by hand -->',
        "<!-- the second -->",
        "<controller type='usb'/>",
        "-S",
        "<!-- end -->",
    ):
        assert part in text
    assert format_domain(parse_domain(text)) == text


def test_lines_are_those_of_the_document_whatever_the_order() -> None:
    domain = parse_domain(_DOMAIN)
    assert [domain.line(0), domain.line(0, "source"), domain.line(1), domain.line(1, "driver")] == [10, 11, 8, 8]


def test_domains_are_equal_when_disks_and_rest_are() -> None:
    assert parse_domain(_DOMAIN) == parse_domain(_DOMAIN)
    assert parse_domain(_DOMAIN) != parse_domain(_DOMAIN.replace("-S", "-s"))
    assert parse_domain(_DOMAIN) == parse_domain(_DOMAIN.replace('<target dev="vdb"', "<target dev='vdb'"))


def test_disks_can_be_put_into_a_domain_that_had_none() -> None:
    bare = parse_domain("<domain>\n  <devices>\n    <emulator>x</emulator>\n    <console/>\n  </devices>\n</domain>")
    disk = parse_domain(_DOMAIN).disks[:1]
    text = format_domain(replace(bare, disks=disk))
    assert text.index("</emulator>") < text.index("    <disk ") < text.index("    <console/>")
    assert (
        format_domain(bare)
        == "<domain>\n  <devices>\n    <emulator>x</emulator>\n    <console/>\n  </devices>\n</domain>"
    )


def test_a_domain_without_devices_takes_no_disks() -> None:
    bare = parse_domain("<domain><name>x</name></domain>")
    assert format_domain(bare) == "<domain><name>x</name></domain>"
    with pytest.raises(UsageError, match="devices"):
        format_domain(replace(bare, disks=parse_domain(_DOMAIN).disks))


def test_a_disk_is_found_by_its_target() -> None:
    assert parse_domain(_DOMAIN).disk("vdb").source.location == FileLocation("/b")
    with pytest.raises(UsageError, match="vda, vdb"):
        parse_domain(_DOMAIN).disk("vdz")


def test_post_parse_takes_a_whole_domain() -> None:
    domain = post_parse_domain(parse_domain(_DOMAIN), Profile.QEMU)
    assert {disk.driver.name for disk in domain.disks} == {"qemu"}


_SNAPSHOT = """\
<domainsnapshot>
  <name>monday</name>
  <state>shutoff</state>
  <parent>
    <name>sunday</name>
  </parent>
  <memory snapshot='external' file='/m'/>
  <disks>
    <disk name='vda' snapshot='external' type='file'>
      <driver type='qcow2'>
        <metadata_cache>
          <max_size unit='bytes'>1</max_size>
        </metadata_cache>
      </driver>
      <source file='/a.monday'/>
    </disk>
    <disk name='vdb' snapshot='no'/>
    <disk name='vdc' snapshot='internal'>
      <snapshotDeleteInProgress/>
    </disk>
  </disks>
  <domain type='kvm'>
    <devices>
      <disk type='file' device='disk'>
        <source file='/a'/>
        <target dev='vda' bus='virtio'/>
      </disk>
    </devices>
  </domain>
  <inactiveDomain type='kvm'>
    <devices>
      <disk type='file' device='disk'>
        <source file='/i'/>
        <target dev='vda' bus='virtio'/>
      </disk>
    </devices>
  </inactiveDomain>
  <revertDisks>
    <disk name='vda' snapshot='external' type='file'>
      <driver type='qcow2'/>
      <source file='/a.reverted'/>
    </disk>
  </revertDisks>
  <cookie>kept</cookie>
</domainsnapshot>
"""


def test_a_snapshot_has_disks_reverted_disks_and_two_domains() -> None:
    snapshot = parse_snapshot(_SNAPSHOT)
    assert (snapshot.name, snapshot.state, snapshot.parent) == ("monday", "shutoff", "sunday")
    assert (snapshot.memory, snapshot.memory_file) == (SnapshotPolicy.EXTERNAL, "/m")
    assert [disk.name for disk in snapshot.disks] == ["vda", "vdb", "vdc"]
    assert snapshot.disks[2].deleting
    assert snapshot.revert_disks[0].source is not None
    assert snapshot.revert_disks[0].source.location == FileLocation("/a.reverted")
    paths = [domain and domain.disks[0].source.location for domain in (snapshot.domain, snapshot.inactive_domain)]
    assert paths == [FileLocation("/a"), FileLocation("/i")]
    assert format_snapshot(snapshot) == _SNAPSHOT


def test_a_snapshot_of_old_that_only_names_its_domain_has_no_disks() -> None:
    snapshot = parse_snapshot("<domainsnapshot><name>a</name><domain><uuid>x</uuid></domain></domainsnapshot>")
    assert snapshot.domain is not None
    assert snapshot.domain.disks == ()


def test_a_disk_with_an_overlay_is_external_once_filled_in() -> None:
    text = (
        "<domainsnapshot><disks><disk name='vda'><source file='/o'/></disk><disk name='vdb'/></disks></domainsnapshot>"
    )
    snapshot = parse_snapshot(text)
    assert [disk.snapshot for disk in snapshot.disks] == [None, None]
    assert [disk.snapshot for disk in post_parse_snapshot(snapshot).disks] == [SnapshotPolicy.EXTERNAL, None]


@pytest.mark.parametrize(
    "disk",
    [
        "<disk/>",
        "<disk name='vda' snapshot='default'/>",
        "<disk name='vda' type='volume'/>",
        "<disk name='vda' type='dir'/>",
        "<disk name='vda'><driver type='raw'/></disk>",
        "<disk name='vda'><source file='relative'/></disk>",
    ],
)
def test_a_snapshots_disk_that_makes_no_sense_is_refused(disk: str) -> None:
    with pytest.raises(XmlError) as caught:
        parse_snapshot(f"<domainsnapshot>\n<disks>\n{disk}</disks></domainsnapshot>")
    assert caught.value.line == 3


def test_a_backup_says_what_goes_without_saying_when_written() -> None:
    backup = parse_backup("<domainbackup><disks><disk name='vda'/></disks></domainbackup>")
    assert backup.mode is None
    text = format_backup(backup)
    assert "mode='push'" in text
    assert "<disk name='vda' backup='yes' type='file'/>" in text


def test_a_pull_has_a_server_and_scratch_files() -> None:
    scratch = Source(FileLocation("/s"), Format.QCOW2)
    backup = Backup(
        BackupMode.PULL,
        "monday",
        BackupServer(name="h", port=10809, tls=True),
        (BackupDisk("vda", export_name="e", export_bitmap="b", store=scratch),),
    )
    text = format_backup(backup)
    assert parse_backup(text) == replace(backup, disks=(replace(backup.disks[0], backup=True),))
    assert "<server transport='tcp' tls='yes' name='h' port='10809'/>" in text
    assert "<scratch file='/s'/>" in text


@pytest.mark.parametrize(
    "text",
    [
        "<domainbackup mode='default'/>",
        "<domainbackup><server name='h'/></domainbackup>",
        "<domainbackup mode='pull'><server/></domainbackup>",
        "<domainbackup mode='pull'><server transport='rdma' name='h'/></domainbackup>",
        "<domainbackup mode='pull'><server transport='unix' socket='s'/></domainbackup>",
        "<domainbackup><disks><disk/></disks></domainbackup>",
        "<domainbackup><disks><disk name='vda' type='network'/></disks></domainbackup>",
        "<domainbackup><disks><disk name='vda' backupmode='odd'/></disks></domainbackup>",
    ],
)
def test_a_backup_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(XmlError):
        parse_backup(text)


def test_strangers_in_a_backup_survive() -> None:
    text = (
        "<domainbackup mode='push' odd='1'>\n  <disks>\n    <disk name='vda' backup='yes' type='file' new='2'>\n"
        "      <driver type='raw'/>\n      <target file='/t' sparse='yes'/>\n      <rate/>\n    </disk>\n  </disks>\n</domainbackup>\n"
    )
    assert format_backup(parse_backup(text)) == text


_STATUS = """\
<domstatus state='running' reason='booted' pid='42'>
  <monitor path='/m' type='unix'/>
  <nodename index='7'/>
  <blockjobs active='yes'>
    <blockjob name='pull-vda' type='pull' state='running' jobflags='0x0'>
      <disk dst='vda'/>
      <base node='libvirt-2-storage'/>
    </blockjob>
    <blockjob name='orphan' type='copy' state='concluded' newstate='completed' jobflags='0x2' shallownew='yes'>
      <errmsg>no &lt;space&gt;</errmsg><chains>
        <disk type='file' format='qcow2'>
          <source file='/o' index='3'>
            <privateData>
              <nodenames>
                <nodename type='storage' name='libvirt-3-storage'/>
              </nodenames>
            </privateData>
          </source>
          <backingStore/>
        </disk>
        <mirror type='file' format='raw'>
          <source file='/m' index='4'/>
        </mirror>
      </chains>
    </blockjob>
    <blockjob name='commit-vda' type='commit' state='ready' brokentype='pull'>
      <disk dst='vda' mirror='yes'/>
      <base node='b'/>
      <top node='t'/>
      <topparent node='p'/>
      <deleteCommittedImages/>
      <disabledBaseBitmaps><bitmap name="old"/></disabledBaseBitmaps>
    </blockjob>
    <blockjob name='create' type='create' state='new' jobflags='0x0'>
      <create mode='storage'/>
      <src type='file' format='qcow2'>
        <source file='/c' index='5'/>
      </src>
    </blockjob>
    <blockjob name='backup-vda' type='backup' state='running' jobflags='0x0'>
      <disk dst='vda'/>
      <bitmap name='tmp'/>
      <store type='file' format='qcow2'>
        <source file='/s' index='6'/>
      </store>
    </blockjob>
    <blockjob name='later' state='running' jobflags='0x0' type='zap'>
      <disk dst='vda'/>
    </blockjob>
  </blockjobs>
  <domain type='kvm' id='7'>
    <name>web</name>
  </domain>
</domstatus>
"""


def test_every_kind_of_block_job_is_a_value_and_comes_back() -> None:
    status = parse_status(_STATUS)
    assert format_status(status) == _STATUS
    assert [job.type for job in status.jobs] == [
        BlockJobType.PULL,
        BlockJobType.COPY,
        BlockJobType.COMMIT,
        BlockJobType.CREATE,
        BlockJobType.BACKUP,
        None,
    ]
    orphan = status.jobs[1]
    assert (orphan.state, orphan.new_state, orphan.flags) == (BlockJobState.CONCLUDED, BlockJobState.COMPLETED, 2)
    assert orphan.error == "no <space>"
    assert orphan.disk_chain is not None
    assert orphan.disk_chain.backing == TERMINATOR
    assert [layer.runtime and layer.runtime.storage_node for layer in layers(orphan.disk_chain)] == [
        "libvirt-3-storage"
    ]
    assert status.jobs[2].flags is None
    assert status.jobs[2].delete_committed
    assert (status.node_index, status.pid, status.domain.id) == (7, 42, 7)


@pytest.mark.parametrize(
    "text",
    [
        "<domstatus/>",
        "<domstatus pid='x'><domain/></domstatus>",
        "<domstatus><blockjobs active='maybe'/><domain/></domstatus>",
        "<domstatus><blockjobs><blockjob/></blockjobs><domain/></domstatus>",
        "<domstatus><blockjobs><blockjob name='a'><chains><disk/></chains></blockjob></blockjobs><domain/></domstatus>",
    ],
)
def test_a_status_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(XmlError):
        parse_status(text)
