"""Findings about rights name disk and layer, and are told of the disks that were asked for alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import diskchain
from tests.live.peers import requires
from tests.live.private_libvirtd import PrivateLibvirtd
from tests.live.storage import QemuImg

_DOMAIN = "<domain type='qemu'><name>two</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>{disks}</devices></domain>"
_DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{path}'/>"
    "<target dev='{dev}' bus='virtio'/></disk>"
)

pytestmark = requires("root", "setpriv")


@pytest.fixture
def uri(private_libvirtd: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg) -> str:
    """A daemon with a domain whose two disks are on one base, all in a directory that QEMU may not enter."""
    closed = image_dir / "closed"
    closed.mkdir()
    qemu_img("create", "-q", "-f", "qcow2", closed / "base.qcow2", "1M")
    for dev in ("vda", "vdb"):
        qemu_img("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", closed / f"{dev}.qcow2")
    closed.chmod(0o700)
    disks = "".join(_DISK.format(path=closed / f"{dev}.qcow2", dev=dev) for dev in ("vda", "vdb"))
    private_libvirtd.connection.defineXML(_DOMAIN.format(disks=disks))
    return str(private_libvirtd.uri)


def denied(*words: str) -> list[tuple[Any, ...]]:
    shown = json.loads(diskchain("check", "--json", "-c", *words).out)
    found = [each for target in shown["targets"] for each in target["findings"] if each["id"] == "access-denied"]
    return [(each.get("disk"), each.get("layer"), Path(each["file"]).name) for each in found]


def test_a_finding_about_rights_names_the_layer_and_its_disk(uri: str) -> None:
    of_both = denied(uri, "two")
    assert ("vda", "vda[0]", "vda.qcow2") in of_both
    assert ("vdb", "vdb[0]", "vdb.qcow2") in of_both
    assert ("vda", "vda[1]", "base.qcow2") in of_both


def test_of_one_disk_nothing_is_said_of_files_of_others(uri: str) -> None:
    of_vdb = denied(uri, "two", "-d", "vdb")
    assert ("vdb", "vdb[0]", "vdb.qcow2") in of_vdb
    assert {disk for disk, _, _ in of_vdb} == {"vdb"}
    assert ("vdb", "vdb[1]", "base.qcow2") in of_vdb
    assert denied(uri, "two", "-d", "vdb[1]") == [("vdb", "vdb[1]", "base.qcow2")]
