"""`diskchain complete -c`: the definition libvirt has, completed, printed and never defined."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from diskchain.libvirtxml.edit.completion import strip
from tests.cli.commands import diskchain
from tests.live.daemons import Libvirtd
from tests.live.domains import PausedDomain
from tests.live.storage import QemuImg

Start = Callable[..., PausedDomain]


@pytest.fixture
def disk(image_dir: Path, qemu_img: QemuImg) -> str:
    qemu_img("create", "-q", "-f", "raw", image_dir / "base.raw", "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", image_dir / "top.qcow2")
    return (
        f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{image_dir}/top.qcow2'/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )


def test_the_definition_of_a_running_domain_is_completed(libvirtd: Libvirtd, paused_domain: Start, disk: str) -> None:
    domain = paused_domain(disk, persistent=True)
    before = domain.inactive_xml()
    told = diskchain("complete", "-c", libvirtd.uri, domain.name)
    assert (told.code, told.err) == (0, "")
    assert "/base.raw'/>" in told.out
    assert "<backingStore type='file' index" not in told.out
    assert strip(told.out.encode()).decode() == before
    assert domain.inactive_xml() == before


def test_libvirt_keeps_what_was_filled_in_when_it_is_told_to(
    libvirtd: Libvirtd, paused_domain: Start, disk: str, tmp_path: Path
) -> None:
    domain = paused_domain(disk, persistent=True)
    completed = tmp_path / "completed.xml"
    told = diskchain("complete", "-c", libvirtd.uri, domain.domain.UUIDString(), "-d", "vda", "-o", completed)
    assert (told.code, told.out) == (0, "")
    libvirtd.connection.defineXML(completed.read_text())
    assert "<backingStore type='file'>" in domain.inactive_xml()


def test_a_transient_domain_has_no_definition(libvirtd: Libvirtd, paused_domain: Start, disk: str) -> None:
    domain = paused_domain(disk)
    told = diskchain("complete", "-c", libvirtd.uri, domain.name)
    assert (told.code, told.out) == (2, "")
    assert f"{domain.name} is transient" in told.err


def test_a_domain_that_is_not_there_is_a_usage_error(libvirtd: Libvirtd) -> None:
    told = diskchain("complete", "-c", libvirtd.uri, "none")
    assert told.code == 2
    assert "has no domain called 'none'" in told.err


@pytest.mark.parametrize("option", ["--in-place", "--strip"])
def test_nothing_is_changed_in_libvirt(option: str) -> None:
    told = diskchain("complete", "-c", "qemu:///system", "vm", option)
    assert told.code == 2
    assert option in told.err


#: Passes on what libvirt says to its socket, as ssh(1) to another host would.
_TUNNEL = """\
#!{python}
import os, select, socket
far = socket.socket(socket.AF_UNIX)
far.connect("{socket}")
while True:
    for ready in select.select([0, far], [], [])[0]:
        piece = os.read(0, 65536) if ready == 0 else far.recv(65536)
        if not piece:
            raise SystemExit
        far.sendall(piece) if ready == 0 else os.write(1, piece)
"""


def test_files_of_another_host_are_not_looked_for_here(libvirtd: Libvirtd, tmp_path: Path) -> None:
    tunnel = tmp_path / "tunnel"
    tunnel.write_text(_TUNNEL.format(python=sys.executable, socket=libvirtd.run / "libvirt-sock"))
    tunnel.chmod(0o755)
    told = diskchain("complete", "-c", f"qemu+ext://elsewhere/system?command={tunnel}", "vm")
    assert (told.code, told.err) == (2, "diskchain: the files are on elsewhere; run diskchain there\n")
