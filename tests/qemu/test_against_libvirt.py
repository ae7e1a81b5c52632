"""The arguments libvirt itself gives QEMU for a document are the ones we print for it, byte for byte."""

import itertools
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from diskchain.behaviours import nodes_profile
from diskchain.cli.main import main
from tests.live.daemons import Libvirtd
from tests.live.domains import PausedDomain
from tests.live.storage import QemuImg
from tests.qemu.documents import DiskWriter

DOMAINS = 15
DISKS = 16
_DOMAIN = """\
<domain type='qemu'><name>diskchain-test-arguments</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices>{disks}<controller type='usb' model='none'/><memballoon model='none'/></devices></domain>
"""
#: Objects that belong to disks; libvirt's own master key and the guest's memory are not ours.
_OURS = ("secret", "tls-creds-x509", "pr-manager-helper")


def disk_arguments(words: list[str]) -> list[str]:
    """Nodes as they are, secrets by their name: what is in them is encrypted."""
    found = []
    for option, value in itertools.pairwise(words):
        if option == "-blockdev":
            found.append(value)
        elif option == "-object":
            properties = json.loads(value)
            if properties["qom-type"] == "secret" and properties["id"] != "masterKey0":
                found.append(f"secret {properties['id']}")
            elif properties["qom-type"] in _OURS and properties["id"] != "masterKey0":
                found.append(value)
    return found


def libvirts(libvirtd: Libvirtd, xml: str) -> list[str]:
    return disk_arguments(shlex.split(libvirtd.connection.domainXMLToNative("qemu-argv", xml, 0)))


def ours(
    path: Path, xml: str, profile: str, capsys: pytest.CaptureFixture[str], *, finds: bool | None = False
) -> list[str]:
    """``finds``: whether there are findings about the document, None where that does not matter."""
    path.write_text(xml)
    code = main(["blockdev", str(path), "--declared", "--profile", profile])
    printed = capsys.readouterr()
    assert code == finds or (finds is None and code in (0, 1)), printed.err
    return disk_arguments(shlex.split(printed.out.replace("\\\n", "")))


@pytest.fixture
def secrets(libvirt_secret: Callable[..., str]) -> dict[str, str]:
    return {
        "passphrase": libvirt_secret(b"p", type="volume"),
        "ceph": libvirt_secret(b"c", type="ceph"),
        "iscsi": libvirt_secret(b"i", type="iscsi"),
    }


@pytest.mark.parametrize("seed", range(DOMAINS))
def test_a_domain_gets_the_arguments_that_libvirt_gives_it(
    seed: int, libvirtd: Libvirtd, secrets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = DiskWriter(seed, secrets)
    disks = [writer.disk(f"vd{letter}") for letter in "abcdefghijklmnop"[:DISKS]]
    disks.insert(seed % DISKS, writer.empty_drive("hda"))
    xml = _DOMAIN.format(disks="\n".join(disks))
    assert ours(tmp_path / "vm.xml", xml, nodes_profile(libvirtd.versions), capsys) == libvirts(libvirtd, xml)


_NETWORK = (
    "<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol={}</source>{{target}}</disk>"
)
_FILE = (
    "<disk type='file' device='disk'><driver name='qemu' type='{}'/><source file='/a'>{}</source>{}{{target}}</disk>"
)
_KEY = "<encryption format='{}'><secret type='passphrase' uuid='{{passphrase}}'/></encryption>"
_BELOW = "<backingStore type='file'><format type='raw'/><source file='/b'/></backingStore>"
REFUSED = {
    "something below a VHD": _FILE.format("vpc", "", _BELOW),
    "format cow": _FILE.format("cow", "", ""),
    "format iso": _FILE.format("iso", "", ""),
    "writable FAT": "<disk type='dir'><driver name='qemu' type='fat'/><source dir='/a'/>{target}</disk>",
    "a unit that is no number": _NETWORK.format("'iscsi' name='iqn/x'><host name='a'/>"),
    "RDMA": _NETWORK.format("'gluster' name='v/x'><host name='a' transport='rdma'/>"),
    "two hosts": _NETWORK.format("'ssh' name='x'><host name='a'/><host name='b'/>"),
    "a port of nfs": _NETWORK.format("'nfs' name='/x'><host name='a' port='1'/>"),
    "tftp": _NETWORK.format("'tftp' name='x'><host name='a'/>"),
    "an encrypted vmdk": _FILE.format("vmdk", _KEY.format("luks"), ""),
    "LUKS2": _FILE.format("qcow2", _KEY.format("luks2"), ""),
    "AES": _FILE.format("qcow2", _KEY.format("qcow"), ""),
}


@pytest.mark.parametrize("disk", REFUSED.values(), ids=REFUSED)
def test_what_libvirt_refuses_is_refused_and_the_layer_is_named(
    disk: str,
    libvirtd: Libvirtd,
    secrets: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import libvirt

    xml = _DOMAIN.format(disks=disk.format(target="<target dev='vda' bus='virtio'/>", **secrets))
    with pytest.raises(libvirt.libvirtError):
        libvirts(libvirtd, xml)
    (tmp_path / "vm.xml").write_text(xml)
    assert main(["blockdev", str(tmp_path / "vm.xml"), "--declared", "--profile", "libvirt-9"]) == 2
    assert "layer 0" in capsys.readouterr().err


def test_something_below_raw_is_refused_where_libvirt_refuses_it(libvirtd: Libvirtd, tmp_path: Path) -> None:
    import libvirt

    xml = _DOMAIN.format(disks=_FILE.format("raw", "", _BELOW).format(target="<target dev='vda' bus='virtio'/>"))
    (tmp_path / "vm.xml").write_text(xml)
    try:
        libvirts(libvirtd, xml)
    except libvirt.libvirtError:
        refused = True
    else:
        refused = False
    profile = nodes_profile(libvirtd.versions)
    # 1: either way it is a finding.
    assert main(["blockdev", str(tmp_path / "vm.xml"), "--declared", "--profile", profile]) == (2 if refused else 1)


def test_layers_that_were_detected_get_the_numbers_of_the_started_domain(
    image_dir: Path,
    qemu_img: QemuImg,
    paused_domain: Callable[..., PausedDomain],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    disks = ""
    for target in ("vdb", "vda"):
        base, middle, top = (image_dir / f"{target}-{name}" for name in ("base", "middle", "top"))
        qemu_img("create", "-q", "-f", "raw", base, "1M")
        qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", middle)
        qemu_img("create", "-q", "-f", "qcow2", "-b", middle, "-F", "qcow2", top)
        declared = f"<backingStore type='file'><format type='qcow2'/><source file='{middle}'/></backingStore>"
        disks += (
            f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{top}'/>"
            f"{declared if target == 'vda' else ''}<target dev='{target}' bus='virtio'/></disk>"
        )
    document = tmp_path / "vm.xml"
    document.write_text(_DOMAIN.format(disks=disks))
    assert main(["blockdev", str(document), "--as", "json", "--profile", "libvirt-9"]) == 0
    printed = json.loads(capsys.readouterr().out)
    live = etree.fromstring(paused_domain(disks).live_xml())
    for disk in printed["disks"]:
        (element,) = (each for each in live.iter("disk") if each.xpath("string(target/@dev)") == disk["disk"])
        indexes = [
            element.xpath("string(source/@index)"),
            *(each.get("index") for each in element.iter("backingStore")),
        ]
        assert [layer["node"] for layer in disk["layers"]] == [
            f"libvirt-{index!s}-format" for index in indexes if index
        ]
