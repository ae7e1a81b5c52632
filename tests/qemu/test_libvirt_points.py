"""Single points in which block nodes went wrong once: the arguments are those of the libvirt at hand, or both refuse."""

import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from diskchain.behaviours import nodes_profile
from diskchain.cli.main import main
from tests.live.daemons import Libvirtd
from tests.qemu.test_against_libvirt import disk_arguments, libvirts, ours

_DOMAIN = """\
<domain type='qemu'><name>diskchain-test-points</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices>{disks}<controller type='usb' model='none'/><memballoon model='none'/></devices></domain>
"""
_SLICE = "<slices><slice type='storage' offset='4096' size='1048576'/></slices>"


def _disk(type: str, source: str, format: str = "raw", more: str = "", target: str = "vda' bus='virtio") -> str:
    return (
        f"<disk type='{type}' device='disk'><driver name='qemu' type='{format}'/>{source}{more}"
        f"<target dev='{target}'/></disk>"
    )


def _network(attributes: str, inside: str, format: str = "raw") -> str:
    return _disk("network", f"<source {attributes}>{inside}</source>", format)


def _encryption(engine: str, format: str = "luks", secrets: int = 1) -> str:
    names = ("passphrase", "other")[:secrets]
    inside = "".join(f"<secret type='passphrase' uuid='{{{name}}}'/>" for name in names)
    return f"<encryption format='{format}' engine='{engine}'>{inside}</encryption>"


def _data_store(path: str, inside: str = "") -> str:
    return f"<dataStore type='file'><format type='raw'/><source file='{path}'>{inside}</source></dataStore>"


def _rbd(inside: str, format: str = "raw") -> str:
    return _network("protocol='rbd' name='p/i'", f"<host name='h'/>{inside}", format)


_A, _B = _disk("file", "<source file='/a'/>"), _disk("file", "<source file='/b'/>", target="vdb' bus='virtio")
_HOSTS = ("[2001:db8::7]", "2001:db8::7", "::ffff:192.0.2.1")
_NAMED = {
    "nbd": "x",
    "http": "x",
    "https": "x",
    "ssh": "x",
    "iscsi": "iqn.2001-01.org:t/1",
    "rbd": "p/i",
    "gluster": "v/i",
}
_STORED = f"<source file='/a'>{_data_store('/d')}</source>"
POINTS = {
    **{
        f"{protocol} on {host}": _network(f"protocol='{protocol}' name='{name}'", f"<host name='{host}' port='77'/>")
        for (protocol, name), host in itertools.product(_NAMED.items(), _HOSTS)
    },
    **{
        f"{protocol} without a name": _network(f"protocol='{protocol}' name=''", "<host name='h'/>")
        for protocol in ("nbd", "http", "ftp", "ssh", "gluster", "rbd")
    },
    "an rbd image without a name": _network("protocol='rbd' name='p/'", "<host name='h'/>"),
    "a gluster path without a name": _network("protocol='gluster' name='v/'", "<host name='h'/>"),
    "iscsi with a slash and no unit": _network("protocol='iscsi' name='iqn.2001-01.org:t/'", "<host name='h'/>"),
    "iscsi without a unit": _network("protocol='iscsi' name='iqn.2001-01.org:t'", "<host name='h'/>"),
    "iscsi on two hosts": _network("protocol='iscsi' name='iqn.2001-01.org:t/1'", "<host name='h'/><host name='g'/>"),
    "monitors without port": _network("protocol='rbd' name='p/i'", "<host name='h'/><host name='g' port='0'/>"),
    **{
        f"librbd, {cipher}, {count} secrets, below {format}": _rbd(_encryption("librbd", cipher, count), format)
        for format, (cipher, count) in itertools.product(
            ("raw", "qcow2"), (("luks", 1), ("luks", 2), ("luks2", 1), ("luks2", 2), ("luks-any", 1))
        )
    },
    **{f"a slice of librbd's, {format}": _rbd(_encryption("librbd") + _SLICE, format) for format in ("raw", "qcow2")},
    "librbd and a login": _rbd("<auth username='a'><secret type='ceph' uuid='{ceph}'/></auth>" + _encryption("librbd")),
    "a data file": _disk("file", _STORED, "qcow2"),
    "a data file and a slice": _disk("file", f"<source file='/a'>{_data_store('/d')}{_SLICE}</source>", "qcow2"),
    "a data file of an encrypted image": _disk(
        "file", f"<source file='/a'>{_data_store('/d')}{_encryption('qemu')}</source>", "qcow2"
    ),
    "an encrypted data file": _disk(
        "file", f"<source file='/a'>{_data_store('/d', _encryption('qemu'))}</source>", "qcow2"
    ),
    "a slice of a data file": _disk("file", f"<source file='/a'>{_data_store('/d', _SLICE)}</source>", "qcow2"),
    "a data file of raw": _disk("file", _STORED),
    "data files in a chain": _disk(
        "file",
        _STORED,
        "qcow2",
        f"<backingStore type='file'><format type='qcow2'/><source file='/b'>{_data_store('/e')}</source>"
        "<backingStore/></backingStore>",
    ),
    "data files of two disks": _disk("file", _STORED, "qcow2")
    + _disk("file", f"<source file='/b'>{_data_store('/e')}</source>", "qcow2", target="vdb' bus='virtio"),
    "a data file on a server": _disk(
        "network",
        "<source protocol='nbd' name='x' tls='yes'><host name='h'/><dataStore type='network'><format type='raw'/>"
        "<source protocol='https' name='d'><host name='g'/><cookies><cookie name='a'>1</cookie></cookies></source>"
        "</dataStore></source>",
        "qcow2",
    ),
    "zeroes looked for in a data file": "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none' io='native'"
    f" discard='unmap' detect_zeroes='unmap'/>{_STORED}<target dev='vda' bus='virtio'/><readonly/></disk>",
    "login, cookies and a key": _network(
        "protocol='https' name='x'",
        "<host name='h'/><cookies><cookie name='a'>1</cookie></cookies><auth username='a'>"
        "<secret type='iscsi' uuid='{iscsi}'/></auth>" + _encryption("qemu"),
        "qcow2",
    ),
    "TLS and a key": _network("protocol='nbd' name='x' tls='yes'", "<host name='h'/>" + _encryption("qemu")),
    "an SD card between two disks": _A + _disk("file", "<source file='/sd'/>", target="sda' bus='sd") + _B,
    "a transient disk that shares its image": _disk(
        "file", "<source file='/t'/>", "qcow2", "<transient shareBacking='yes'/>"
    )
    + _B
    + _disk("file", "<source file='/c'/>", "qcow2", target="vdc' bus='virtio"),
    "a transient disk that shares its image last": _A
    + _B
    + _disk("file", "<source file='/t'/>", "qcow2", "<transient shareBacking='yes'/>", target="vdc' bus='virtio"),
    "a directory of no format": _disk("dir", "<source dir='/a'/>", "raw", "<readonly/>").replace(" type='raw'", ""),
    "a directory of format dir": _disk("dir", "<source dir='/a'/>", "dir", "<readonly/>"),
    "a directory of format fat": _disk("dir", "<source dir='/a'/>", "fat", "<readonly/>"),
}


@pytest.fixture
def secrets(libvirt_secret: Callable[..., str]) -> dict[str, str]:
    return {
        "passphrase": libvirt_secret(b"p", type="volume"),
        "other": libvirt_secret(b"o", type="volume"),
        "ceph": libvirt_secret(b"c", type="ceph"),
        "iscsi": libvirt_secret(b"i", type="iscsi"),
    }


@pytest.mark.parametrize("disks", POINTS.values(), ids=POINTS)
def test_the_arguments_are_those_of_the_libvirt_at_hand_or_both_refuse(
    disks: str, libvirtd: Libvirtd, secrets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import libvirt

    xml = _DOMAIN.format(disks=disks.format(**secrets))
    profile = nodes_profile(libvirtd.versions)
    try:
        expected = libvirts(libvirtd, xml)
    except libvirt.libvirtError:
        (tmp_path / "vm.xml").write_text(xml)
        code = main(["blockdev", str(tmp_path / "vm.xml"), "--declared", "--profile", profile])
        assert code in (1, 2), "libvirt refuses this"
    else:
        assert ours(tmp_path / "vm.xml", xml, profile, capsys, finds=None) == expected


_PASSED = (
    "<disk type='file' device='disk'><driver name='qemu' type='{format}' discard='unmap'/>"
    "<source file='{path}' fdgroup='{group}'/><backingStore/><target dev='{target}' bus='virtio'/></disk>"
)


def test_passed_descriptors_get_the_sets_and_nodes_that_libvirt_gives_them(
    libvirtd: Libvirtd, image_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {"one": image_dir / "one.raw", "two": image_dir / "two.qcow2"}
    for path in paths.values():
        subprocess.run(["qemu-img", "create", "-q", "-f", path.suffix[1:], path, "1M"], check=True)
    disks = _PASSED.format(format="raw", path=paths["one"], group="one", target="vda")
    disks += _PASSED.format(format="qcow2", path=paths["two"], group="two", target="vdb")
    domain = libvirtd.connection.defineXML(_DOMAIN.format(disks=disks))
    try:
        handles = [path.open("r+b") for path in paths.values()]
        for group, handle in zip(paths, handles, strict=True):
            domain.FDAssociate(group, [handle.fileno()], 0)
        domain.createWithFlags(1)  # VIR_DOMAIN_START_PAUSED
        for handle in handles:
            handle.close()
        started = disk_arguments(libvirtd.qemu_arguments(domain.name()))
        xml = _DOMAIN.format(disks=disks)
        assert ours(tmp_path / "vm.xml", xml, nodes_profile(libvirtd.versions), capsys) == started
    finally:
        if domain.isActive():
            domain.destroy()
        domain.undefine()
