"""The fixtures against the real thing: a fixture nobody checked proves nothing about the code it serves."""

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.daemons import Libvirtd
from tests.live.domains import PausedDomain
from tests.live.peers import demand, requires
from tests.live.storage import QemuImg, run

QEMU_USER = "libvirt-qemu"


@pytest.fixture
def overlay_over_raw(image_dir: Path, qemu_img: QemuImg) -> Path:
    base, overlay = image_dir / "base.raw", image_dir / "overlay.qcow2"
    qemu_img("create", "-q", "-f", "raw", base, "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", overlay)
    return overlay


def disk_xml(path: Path) -> str:
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{path}'/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )


def test_libvirtd_answers_and_tells_its_version(libvirtd: Libvirtd) -> None:
    assert libvirtd.connection.isAlive()
    assert int(libvirtd.version.split(".")[0]) >= 9


def test_live_xml_shows_the_backing_chain_that_libvirt_found(
    overlay_over_raw: Path, paused_domain: Callable[..., PausedDomain]
) -> None:
    domain = paused_domain(disk_xml(overlay_over_raw))
    assert "<backingStore type='file' index='2'>" in domain.live_xml()
    assert f"<source file='{overlay_over_raw.parent / 'base.raw'}'/>" in domain.live_xml()
    assert "<backingStore/>" in domain.live_xml()


def test_inactive_xml_of_a_persistent_domain_does_not_record_the_chain(
    overlay_over_raw: Path, paused_domain: Callable[..., PausedDomain]
) -> None:
    domain = paused_domain(disk_xml(overlay_over_raw), persistent=True)
    assert str(overlay_over_raw) in domain.inactive_xml()
    assert "<backingStore" not in domain.inactive_xml()


def test_several_domains_of_one_test_have_different_names(paused_domain: Callable[..., PausedDomain]) -> None:
    names = {paused_domain("").name, paused_domain("").name}
    assert len(names) == 2


@requires("setpriv", "root")
@pytest.mark.parametrize("user", [QEMU_USER, "nobody"])
def test_image_dir_lets_other_users_read_what_is_readable(image_dir: Path, user: str) -> None:
    image = image_dir / "base.raw"
    image.write_bytes(b"readable")
    image.chmod(0o644)
    assert run("setpriv", "--reuid", user, "--clear-groups", "cat", image) == "readable"


def test_qemu_img_complaint_is_in_the_error(qemu_img: QemuImg, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        qemu_img("info", tmp_path / "absent.qcow2")
    assert "No such file or directory" in caught.value.__notes__[0]


def test_loop_device_shows_the_bytes_of_its_file(loop_device: Callable[[Path], Path], tmp_path: Path) -> None:
    image = tmp_path / "base.raw"
    image.write_bytes(b"diskchain".ljust(4096, b"\0"))
    device = loop_device(image)
    assert stat.S_ISBLK(device.stat().st_mode)
    assert device.read_bytes()[:9] == b"diskchain"


def test_fifo_has_no_writer(fifo: Path) -> None:
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert os.read(descriptor, 1) == b""
    finally:
        os.close(descriptor)


def test_a_missing_program_is_a_skip_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISKCHAIN_REQUIRE_LIVE", "0")
    with pytest.raises(pytest.skip.Exception, match="no-such-program"):
        demand("no-such-program")


def test_a_missing_program_is_a_failure_where_all_parts_are_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISKCHAIN_REQUIRE_LIVE", "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-program"):
        demand("no-such-program")
