"""Odd documents and wrong ones: libvirt's test driver reads each, and we must make of it what it does.

The driver lives in the library, so no daemon is needed. What it refuses for a reason beyond the parser is left out.
"""

from collections.abc import Iterator

import pytest
from tests.libvirtxml.judge import Judge, open_judge
from tests.libvirtxml.test_libvirt_agrees import tolerant

from diskchain.libvirtxml.postparse import Profile

T = "<target dev='vda' bus='virtio'/>"
_KEY = "<secret type='passphrase' usage='x'/>"


def file(*parts: str, attributes: str = "", source: str = "<source file='/a'/>", target: str = T) -> str:
    return f"<disk type='file' {attributes}>{source}{target}{''.join(parts)}</disk>"


def driver(attributes: str) -> str:
    return file(f"<driver {attributes}/>")


def address(attributes: str, child: str = "") -> str:
    return file(f"<address {attributes}>{child}</address>")


def source(inside: str) -> str:
    return file(source=f"<source file='/a'>{inside}</source>")


def network(attributes: str, inside: str = "<host name='h'/>") -> str:
    return f"<disk type='network'><source {attributes}>{inside}</source>{T}</disk>"


#: What libvirt takes, each for something odd in it.
ODD = [
    network("protocol='nbd'", "<host name='a' port='0'/>"),
    network("protocol='nbd' name=''", "<host name='a' transport='rdma'/>"),
    network("protocol='nbd' tls='yes' tlsHostname='q'", "<host transport='unix' socket='/s'/>"),
    network("protocol='nbd' name='x' query='dropped'"),
    network("protocol='rbd' name='p/i'", ""),
    network("protocol='rbd' name='p//i'", ""),
    network("protocol='iscsi' name='iqn'", "<host name='h'/><initiator><iqn name='i'/></initiator>"),
    network("protocol='iscsi' name='iqn/2'", "<host name='h'/><seclabel model='dac' relabel='no'/>"),
    network("protocol='http' name='p'", "<host name='h'/><ssl verify='no'/><timeout seconds='0'/>"),
    network("protocol='https' name='p' query='a=b&amp;c'", "<host name='h'/><ssl verify='no'/><readahead size=' 5'/>"),
    network("protocol='https' name='p'", "<host name='h'/><cookies><cookie name='a'>\"b\"</cookie></cookies>"),
    network("protocol='nfs' name='/p'", "<host name='h'/><identity group='+4' user='u'/>"),
    driver("queues=' +4'"),
    driver("queues='007' queue_size='0'"),
    driver("cache='default' name='x'"),
    driver("type='aio'"),
    driver("iommu='on' page_per_vq='on' queues='2' packed='off' ats='off' event_idx='on' ioeventfd='off'"),
    file(attributes="model='default'"),
    file("<iotune><total_bytes_sec> 5</total_bytes_sec><group_name>g&lt;</group_name></iotune>"),
    file("<iotune><total_bytes_sec></total_bytes_sec><read_bytes_sec>18446744073709551615</read_bytes_sec></iotune>"),
    file("<iotune><read_iops_sec>1</read_iops_sec></iotune><iotune><write_iops_sec>2</write_iops_sec></iotune>"),
    file("<serial> a &amp; b </serial><geometry cyls='1' heads='2' secs='3' trans='lba'/>"),
    file("<serial>x<!-- c -->y</serial><serial>second</serial>"),
    file("<serial/><vendor></vendor><geometry cyls='1' heads='0' secs='3'/>"),
    file("<blockio logical_block_size='512' physical_block_size='0'/><backenddomain name='x'/>"),
    file("<boot order='1' loadparm='abc'/><acpi index='4'/><alias name='ua-x'/>"),
    file("<alias name='virtio-disk0'/>"),
    file("<alias name='ua-b&amp;d'/>"),
    file("<transient shareBacking='no'/><shareable/>", attributes="device='disk' snapshot='no'"),
    file("<readonly/>", attributes="snapshot='no'", source="<source file='/a' startupPolicy='optional'/>"),
    file("<encryption format='luks' engine='qemu'>" + _KEY + "</encryption>"),
    file("<future a='1'/>", attributes="new='2'", source="<source file='/a' odd='x'><odd/></source>"),
    file(target="<target dev='ioemu:hda'/>"),
    file(target="<target dev='sdz'/>"),
    file(target="<target dev='sda' bus='sata'/>"),
    file(target="<target dev='sda' bus='usb' removable='on'/><address type='usb' bus='0' port='1.2.3'/>"),
    file(target="<target dev='sda' bus='scsi' rotation_rate='7200'/>"),
    file(attributes="device='floppy'", target="<target dev='fdb'/>"),
    file(attributes="device='cdrom'", target="<target dev='hdc' bus='ide' tray='open'/>"),
    file(attributes="device='cdrom'", target="<target dev='hdc' bus='ide' tray='closed'/>"),
    "<disk type='block' device='cdrom'><source dev=''/><target dev='hda' bus='ide'/></disk>",
    "<disk type='network' device='cdrom'><target dev='hda'/></disk>",
    "<disk type='volume' device='cdrom'><source/><target dev='hda'/></disk>",
    f"<disk type='volume'><source pool='p' volume='v' mode='direct'/>{T}</disk>",
    f"<disk type='dir'><driver type='fat'/><source dir='/a'/>{T}<readonly/></disk>",
    f"<disk type='nvme'><source type='pci' namespace='1'><address domain='1' bus='1' slot='0x10' function='1'/></source>{T}</disk>",
    f"<disk type='nvme'><source type='pci' namespace='1' managed='no'><address/></source>{T}</disk>",
    f"<disk type='vhostuser'><source type='unix' path='/s'><reconnect enabled='yes' timeout='9'/></source>{T}</disk>",
    f"<disk type='vhostuser'><source type='unix' path='/s'><reconnect enabled='no' timeout='3'/></source>{T}</disk>",
    address("type='pci' domain='0x10000' bus='0x1' slot='0x02' function='7' multifunction='on'"),
    address("type='pci' domain='0' bus='0' slot='010'"),
    address("type='pci' bus='1' slot='2'", "<zpci uid='0x0003' fid='0x00000004'/>"),
    address("type='ccw' cssid='0xfe' ssid='0x0' devno='0x0010'"),
    address("type='ccw'"),
    address("type='virtio-mmio'"),
    address("type='spapr-vio' reg='0x30'"),
    address("type='spapr-vio'"),
    address("type='isa' iobase='0x3f0' irq='7'"),
    address("type='dimm' slot='1' base='0x100'"),
    address("type='virtio-serial' controller='1' bus='2' port='3'"),
    address("type='ccid' controller='1' slot='2'"),
    source("<slices><slice type='odd'/><slice type='storage' offset='0' size='1'/></slices>"),
    source("<seclabel model='dac' relabel='no'/><seclabel model='selinux'><label>l</label></seclabel>"),
    source("<seclabel model='selinux'/>"),
    source("<seclabel/>"),
    source("<encryption format='qcow'/>"),
    source(
        "<encryption format='luks'><secret type='passphrase' uuid=' 0a81f5b28403-7b23-c8d6-21ccc2f80d6f'/></encryption>"
    ),
    source(f"<encryption format='luks'>{_KEY}<secret type='passphrase' usage='y'/></encryption>"),
    (
        f"<disk type='file'><driver type='qcow2'><metadata_cache><max_size unit='KiB'>12</max_size></metadata_cache></driver>"
        f"<source file='/a'/>{T}</disk>"
    ),
    (
        f"<disk type='file'><source file='/a'/><backingStore type='file'><format type='vhd'/><source file='/b'/><backingStore/>"
        f"</backingStore>{T}</disk>"
    ),
    f"<disk type='file'><source file='/a'/><source file='/second'/>{T}<target dev='vdb'/></disk>",
    (
        f"<disk type='network'><auth username='u' type='chap'><secret type='iscsi' usage='x'/></auth>"
        f"<source protocol='iscsi' name='iqn'><host name='h'/></source>{T}</disk>"
    ),
    (
        f"<disk type='network'><source protocol='iscsi' name='iqn'><host name='h'/><auth username='u' type='none'>"
        f"<secret type='iscsi' usage='x'/></auth></source>{T}</disk>"
    ),
    (
        "<disk type='block' device='lun' rawio='yes'><source dev='/a'><reservations managed='yes'/></source>"
        "<target dev='sda' bus='scsi'/></disk>"
    ),
]

#: What libvirt's parser refuses.
WRONG = [
    network("protocol='rbd' name='/i'"),
    network("protocol='gluster' name='i'"),
    network("protocol='http'"),
    network("name='x'"),
    network("protocol='gopher' name='x'"),
    network("protocol='nbd' tls='maybe'"),
    network("protocol='nbd'", "<host/>"),
    network("protocol='nbd'", "<host name='a' port='65536'/>"),
    network("protocol='nbd'", "<host name='a' port='-1'/>"),
    network("protocol='nbd'", "<host name='a' socket='/s'/>"),
    network("protocol='nbd'", "<host transport='unix'/>"),
    network("protocol='nbd'", "<host name='a' transport='pigeon'/>"),
    network("protocol='https' name='p'", "<host name='h'/><timeout seconds='x'/>"),
    network("protocol='https' name='p'", "<host name='h'/><ssl verify='x'/>"),
    network("protocol='https' name='p'", "<host name='h'/><cookies><cookie name='a'/></cookies>"),
    network("protocol='https' name='p'", "<host name='h'/><cookies><cookie name='a b'>c</cookie></cookies>"),
    network("protocol='https' name='p'", "<host name='h'/><cookies><cookie name='a'>b;c</cookie></cookies>"),
    network(
        "protocol='https' name='p'",
        "<host name='h'/><cookies><cookie name='a'>b</cookie><cookie name='a'>c</cookie></cookies>",
    ),
    network("protocol='iscsi' name='i'", "<host name='h'/><auth><secret type='iscsi' usage='x'/></auth>"),
    network("protocol='iscsi' name='i'", "<host name='h'/><auth username='u'/>"),
    network("protocol='iscsi' name='i'", "<host name='h'/><auth username='u'><secret type='iscsi'/></auth>"),
    network("protocol='iscsi' name='i'", "<host name='h'/><auth username='u' type='odd'><secret usage='x'/></auth>"),
    network("protocol='iscsi' name='i'", "<host name='h'/><auth username='u'><secret uuid='x'/></auth>"),
    *(
        driver(f"{name}='{value}'")
        for name, value in [
            ("iothread", "0"),
            ("queues", "4 "),
            ("queues", "0x4"),
            ("queues", "-1"),
            ("queues", "4294967296"),
            ("queue_size", ""),
            ("io", "default"),
            ("io", "fast"),
            ("cache", "Writeback"),
            ("error_policy", "default"),
            ("rerror_policy", "enospace"),
            ("discard", "default"),
            ("detect_zeroes", "default"),
            ("ioeventfd", "yes"),
            ("type", "luks"),
            ("type", "none"),
            ("type", "auto"),
            ("type", ""),
        ]
    ),
    file("<iotune><total_bytes_sec>-1</total_bytes_sec></iotune>"),
    file("<iotune><total_bytes_sec>5 </total_bytes_sec></iotune>"),
    file("<iotune><total_bytes_sec>18446744073709551616</total_bytes_sec></iotune>"),
    file("<geometry cyls='x'/>"),
    file("<geometry trans='default'/>"),
    file("<blockio logical_block_size='512b'/>"),
    file("<boot order='0'/>"),
    file("<boot/>"),
    file("<boot order='1' loadparm='a_b'/>"),
    file("<boot order='1' loadparm=''/>"),
    file("<acpi index='0'/>"),
    file("<transient shareBacking='on'/>"),
    file("<encryption format='aes'/>"),
    file("<encryption/>"),
    file("<encryption format='luks' engine='default'/>"),
    file("<encryption format='luks'><secret type='key' usage='x'/></encryption>"),
    file("<encryption format='luks'><ivgen name='x'/></encryption>"),
    file("<encryption format='luks'><cipher name='x'/></encryption>"),
    file(attributes="device='tape'"),
    file(attributes="model='scsi'"),
    file(attributes="snapshot='default'"),
    file(attributes="rawio='on'"),
    file(attributes="sgio='default'"),
    file(target="<target dev='vda' bus='none'/>"),
    file(target="<target dev='vda' bus='nvme'/>"),
    file(target="<target dev='vda' tray='none'/>"),
    file(target="<target dev='vda' rotation_rate='x'/>"),
    file(source="<source file='/a' startupPolicy='default'/>"),
    f"<disk type='none'><source file='/a'/>{T}</disk>",
    f"<disk type='tape'><source file='/a'/>{T}</disk>",
    f"<disk type='volume'><source pool='p'/>{T}</disk>",
    f"<disk type='volume'><source pool='p' volume='v' mode='default'/>{T}</disk>",
    f"<disk type='nvme'><source type='usb' namespace='1'><address/></source>{T}</disk>",
    f"<disk type='nvme'><source type='pci'><address/></source>{T}</disk>",
    f"<disk type='nvme'><source type='pci' namespace='1'/>{T}</disk>",
    f"<disk type='vhostuser'><source type='tcp' path='/s'/>{T}</disk>",
    f"<disk type='vhostuser'><source type='unix'/>{T}</disk>",
    f"<disk type='vhostuser'><source type='unix' path='/s'><reconnect enabled='yes'/></source>{T}</disk>",
    source("<slices><slice type='storage' offset='0'/></slices>"),
    source("<slices><slice type='storage' offset='0' size='-1'/></slices>"),
    source("<reservations/>"),
    source("<reservations managed='no'/>"),
    source("<reservations managed='yes'><source type='unix'/></reservations>"),
    source("<reservations managed='no'><source type='tcp' path='/p' mode='client'/></reservations>"),
    source("<reservations managed='no'><source type='unix' path='/p' mode='server'/></reservations>"),
    source("<seclabel model='dac'/><seclabel model='dac'/>"),
    source("<seclabel model='dac' relabel='no'><label>x</label></seclabel>"),
    source("<seclabel model='dac' relabel='maybe'/>"),
    f"<disk type='file'><source file='/a'/><backingStore type='file'/>{T}</disk>",
    f"<disk type='file'><source file='/a'/><backingStore type='file'><format type='raw'/></backingStore>{T}</disk>",
    f"<disk type='file'><source file='/a'/><backingStore type='file'><source file='/b'/></backingStore>{T}</disk>",
    (
        f"<disk type='file'><source file='/a'/><backingStore type='file'><format type='luks'/><source file='/b'/></backingStore>"
        f"{T}</disk>"
    ),
    (
        f"<disk type='file'><source file='/a'/><backingStore type='none'><format type='raw'/><source file='/b'/></backingStore>"
        f"{T}</disk>"
    ),
    (
        f"<disk type='file'><driver type='qcow2'><metadata_cache><max_size>x</max_size></metadata_cache></driver>"
        f"<source file='/a'/>{T}</disk>"
    ),
    (
        f"<disk type='file'><driver type='qcow2'><metadata_cache><max_size unit='furlong'>1</max_size></metadata_cache></driver>"
        f"<source file='/a'/>{T}</disk>"
    ),
    address(""),
    address("type='none'"),
    address("type='pci' bus='256'"),
    address("type='pci' bus='1' slot='32'"),
    address("type='pci' bus='1' function='8'"),
    address("type='pci' bus='x'"),
    address("type='pci' multifunction='yes'"),
    address("type='drive' unit='x'"),
    address("type='usb' bus='0' port='1.2.3.4.5'"),
    address("type='usb' bus='0' port='1.x'"),
    address("type='ccw' cssid='0xfe'"),
    address("type='ccw' cssid='0xff' ssid='0x0' devno='0x0010'"),
    address("type='virtio-s390'"),
    address("type='dimm'"),
    f"<disk type='file'><source file='/a'><encryption format='luks'/></source>{T}<encryption format='luks'/></disk>",
]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    judge = open_judge("test:///default", "test", Profile.GENERIC)
    yield judge
    judge.connection.close()


@pytest.mark.parametrize("disk", ODD)
def test_an_odd_disk_means_the_same_to_libvirt_and_us(disk: str, judge: Judge) -> None:
    verdict = judge.hear(disk)
    assert verdict.refusal is None
    assert verdict.our_refusal is None
    assert tolerant(verdict.ours) == tolerant(verdict.theirs)


@pytest.mark.parametrize("disk", WRONG)
def test_what_libvirts_parser_refuses_we_refuse_with_the_line(disk: str, judge: Judge) -> None:
    verdict = judge.hear(f"\n\n{disk}")
    assert verdict.refusal is not None
    assert verdict.our_refusal is not None
    assert verdict.our_refusal.startswith("line 10: ")


def test_disks_are_sorted_as_libvirt_sorts_them(judge: Judge) -> None:
    targets = ["vdb virtio", "sda scsi", "vda virtio", "vdaa virtio", "hdc ide", "sdb sata", "hda ide", "sdaa scsi"]
    disks = "".join(
        file(target=f"<target dev='{dev}' bus='{bus}'/>", source=f"<source file='/{dev}'/>")
        for dev, bus in (target.split() for target in targets)
    )
    verdict = judge.hear(disks)
    assert verdict.ours == verdict.theirs
    assert verdict.ours


def test_disks_without_a_bus_are_sorted_before_libvirt_guesses_it(judge: Judge) -> None:
    disks = "".join(
        file(target=f"<target dev='{dev}'/>", source=f"<source file='/{dev}'/>")
        for dev in ("vdb", "sda", "hdc", "vda", "ioemu:hda", "ubdb", "xvda")
    )
    verdict = judge.hear(disks)
    assert verdict.ours == verdict.theirs
    assert verdict.ours


def test_disks_of_a_throttling_group_take_its_limits(judge: Judge) -> None:
    disks = "".join(
        file(f"<iotune>{limits}<group_name>{group}</group_name></iotune>", target=f"<target dev='{dev}' bus='virtio'/>")
        for dev, group, limits in [
            ("vda", "a", ""),
            ("vdb", "a", "<read_iops_sec>7</read_iops_sec>"),
            ("vdc", "b", ""),
            ("vdd", "a", "<size_iops_sec>9</size_iops_sec>"),
        ]
    )
    verdict = judge.hear(disks)
    assert verdict.ours == verdict.theirs
    assert verdict.ours.count("<read_iops_sec>7") == 2
