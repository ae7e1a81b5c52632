"""What is said of a domain's secrets, and what libvirt does when the domain starts; the commands are run on a terminal."""

import os
import pty
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from diskchain.actions.check import check
from diskchain.actions.target import TargetName
from diskchain.cli.main import main
from diskchain.findings import Finding
from tests.live.access_domains import DOMAIN
from tests.live.daemons import libvirt
from tests.live.peers import requires
from tests.live.private_libvirtd import PrivateLibvirtd, started
from tests.live.storage import QemuImg

pytestmark = [pytest.mark.libvirtd, requires("root", "virsh"), pytest.mark.timeout(300)]

_UUID = "99999999-2222-3333-4444-555555555555"
_KEY = "a pass phrase"
_SECRETS = {
    "volume": "<usage type='volume'><volume>key of web</volume></usage>",
    "ceph": "<usage type='ceph'><name>key of web</name></usage>",
}


@pytest.fixture(scope="module")
def daemon() -> Iterator[PrivateLibvirtd]:
    with started() as private:
        yield private


@pytest.fixture
def encrypted(image_dir: Path, qemu_img: QemuImg) -> Path:
    image_dir.chmod(0o755)
    key, image = image_dir / "key", image_dir / "it's web.luks"
    key.write_text(_KEY)
    secret = ("--object", f"secret,id=s,file={key}", "-o", "key-secret=s,iter-time=10")
    qemu_img("create", "-q", *secret, "-f", "luks", image, "1M")
    return image


def domain(daemon: PrivateLibvirtd, image: Path, reference: str) -> Any:
    disk = (
        f'<disk type="file" device="disk"><driver name="qemu" type="raw"/><source file="{image}">'
        f'<encryption format="luks"><secret type="passphrase" {reference}/></encryption></source>'
        '<target dev="vda" bus="virtio"/></disk>'
    )
    return daemon.connection.defineXML(DOMAIN.format(name="web", disks=disk, seclabel=""))


def secret(daemon: PrivateLibvirtd, *, type: str = "volume", private: bool = False, ephemeral: bool = False) -> Any:
    return daemon.connection.secretDefineXML(
        f"<secret ephemeral='{'yes' if ephemeral else 'no'}' private='{'yes' if private else 'no'}'>"
        f"<uuid>{_UUID}</uuid>{_SECRETS[type]}</secret>"
    )


def said(daemon: PrivateLibvirtd) -> list[Finding]:
    (report,) = check([TargetName("web", connect=daemon.uri)])
    return [found for found in report.findings if found.id.startswith("secret-")]


def start(daemon: PrivateLibvirtd, it: Any) -> str:
    """Starts the domain and stops it. Why it did not start, empty when it did."""
    try:
        daemon.start_paused(it)
    except libvirt.libvirtError as error:
        return str(error)
    it.destroy()
    return ""


def on_terminal(command: str, typed: str) -> None:
    """Runs a command as on a terminal, and types a line when it asks for one."""
    process, terminal = pty.fork()
    if process == 0:
        os.execv("/bin/sh", ["sh", "-c", command])  # noqa: S606 - the command as it is printed
    shown = b""
    with suppress(OSError):  # the terminal of a process that has ended
        while b"new value for secret" not in shown:
            shown += os.read(terminal, 4096)
        while termios.tcgetattr(terminal)[3] & termios.ECHO:  # what is typed before that is thrown away with it
            time.sleep(0.01)
        os.write(terminal, typed.encode() + b"\n")
        while more := os.read(terminal, 4096):
            shown += more
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    assert status == 0, shown


@pytest.mark.parametrize("reference", [f"uuid='{_UUID}'", "usage='key of &lt;web&gt;'"])
def test_the_command_for_a_secret_that_is_missing_makes_the_domain_start(
    daemon: PrivateLibvirtd, encrypted: Path, reference: str, capsys: pytest.CaptureFixture[str]
) -> None:
    it = domain(daemon, encrypted, reference)
    (found,) = said(daemon)
    assert (found.id, found.disk, found.stops) == ("secret-missing", "vda", "start")
    assert "ecret" in start(daemon, it)
    assert found.fix is not None
    assert _KEY not in found.fix
    assert main(["secrets", "-c", daemon.uri, "web"]) == 1
    assert f"fix: {found.fix}\n" in capsys.readouterr().out
    on_terminal(found.fix, _KEY)
    assert said(daemon) == []
    assert start(daemon, it) == ""
    for each in daemon.connection.listAllSecrets():
        each.undefine()
    it.undefine()


def test_a_secret_without_a_value_is_told_and_the_command_gives_it_one(
    daemon: PrivateLibvirtd, encrypted: Path
) -> None:
    it, kept = domain(daemon, encrypted, f"uuid='{_UUID}'"), secret(daemon)
    (found,) = said(daemon)
    assert found.id == "secret-without-value"
    assert "does not have a value" in start(daemon, it)
    assert found.fix is not None
    on_terminal(found.fix, _KEY)
    assert said(daemon) == []
    assert start(daemon, it) == ""
    kept.undefine()
    it.undefine()


def test_a_secret_of_another_type_is_told(daemon: PrivateLibvirtd, encrypted: Path) -> None:
    it, kept = domain(daemon, encrypted, f"uuid='{_UUID}'"), secret(daemon, type="ceph")
    kept.setValue(_KEY.encode())
    assert [found.id for found in said(daemon)] == ["secret-type"]
    told = start(daemon, it)
    assert told is not None
    assert "is of type 'ceph' not expected 'volume' type" in told
    kept.undefine()
    it.undefine()


@pytest.mark.parametrize(("ephemeral", "ids"), [(False, []), (True, ["secret-unknown"])])
def test_a_private_secret_that_is_kept_is_known_to_have_a_value(
    daemon: PrivateLibvirtd, encrypted: Path, ids: list[str], *, ephemeral: bool
) -> None:
    it, kept = domain(daemon, encrypted, f"uuid='{_UUID}'"), secret(daemon, private=True, ephemeral=ephemeral)
    kept.setValue(_KEY.encode())
    assert [found.id for found in said(daemon)] == ids
    assert start(daemon, it) == ""
    kept.undefine()
    it.undefine()


def test_the_log_in_of_a_network_disk_needs_its_secret_as_well(daemon: PrivateLibvirtd) -> None:
    disk = (
        "<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='rbd' name='pool/b'>"
        "<host name='192.0.2.9' port='6789'/>"
        "<auth username='libvirt'><secret type='ceph' usage='client.libvirt secret'/></auth>"
        "</source><target dev='vda' bus='virtio'/></disk>"
    )
    it = daemon.connection.defineXML(DOMAIN.format(name="web", disks=disk, seclabel=""))
    (found,) = said(daemon)
    assert found.id == "secret-missing"
    assert "client.libvirt secret" in found.message
    assert "client.libvirt secret" in start(daemon, it)
    it.undefine()
