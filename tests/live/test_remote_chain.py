"""``--remote``: a chain goes on on another host, and a dead server is "could not tell", not "missing"."""

import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.commands import diskchain
from tests.discover.chains import overlay
from tests.live.peers import requires
from tests.live.storage import QemuImg
from tests.storage.servers import HOST, accepts, free_port, serving


@pytest.fixture
def served(qemu_img: QemuImg, tmp_path: Path) -> Iterator[str]:
    """The URI of a qcow2 base, its container served as raw bytes."""
    base = tmp_path / "base.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", base, "1M")
    port = free_port()
    command = ("qemu-nbd", "-f", "raw", "-r", "-t", "-b", HOST, "-p", str(port), "-x", "base", base)
    with serving(accepts((HOST, port)), *command):
        yield f"nbd://{HOST}:{port}/base"


@requires("qemu-nbd")
def test_a_base_on_another_host_is_read(qemu_img: QemuImg, tmp_path: Path, served: str) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", served)
    assert diskchain("show", "-f", "qcow2", top).code == 3
    shown = diskchain("show", "--remote", "-f", "qcow2", top)
    assert shown.code == 0, shown.out
    assert re.search(r"\[1\] nbd:\S+ +qcow2  1 MiB", shown.out)
    assert "unknown" not in shown.out


def test_a_dead_server_is_could_not_tell(qemu_img: QemuImg, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", f"nbd://{HOST}:{free_port()}/base")
    shown = diskchain("check", "--remote", "--timeout", "2", "-f", "qcow2", top)
    assert shown.code == 3, shown.out
    assert "[unreachable]" in shown.out


def test_a_silent_server_is_could_not_tell_in_time(qemu_img: QemuImg, tmp_path: Path) -> None:
    with closing(socket.create_server((HOST, 0))) as silent:
        top = overlay(qemu_img, tmp_path / "top.qcow2", f"nbd://{HOST}:{silent.getsockname()[1]}/base")
        shown = diskchain("check", "--remote", "--timeout", "1", "-f", "qcow2", top)
    assert shown.code == 3, shown.out
    assert "[timeout]" in shown.out
