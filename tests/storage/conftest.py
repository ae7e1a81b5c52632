"""Fixtures of the tests that let QEMU open references: real servers on loopback, and an ear at its libraries."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.live.peers import demand
from tests.live.storage import QemuImg
from tests.storage.qemu_asks import Listener
from tests.storage.servers import Nbd, Sftp, Web, nbd_servers, sftp_server, web_server


@pytest.fixture(scope="session")
def listener(tmp_path_factory: pytest.TempPathFactory, qemu_img: QemuImg) -> Listener:
    demand("gcc")
    return Listener(tmp_path_factory.mktemp("qemu-asks"), qemu_img.versions)


@pytest.fixture(scope="session")
def nbd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nbd]:
    with nbd_servers(tmp_path_factory.mktemp("nbd")) as servers:
        yield servers


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web_server(tmp_path_factory.mktemp("web")) as server:
        yield server


@pytest.fixture(scope="session")
def sftp() -> Iterator[Sftp]:
    # Not pytest's own directory: its parents are closed to the unprivileged half of sshd.
    with tempfile.TemporaryDirectory(prefix="diskchain-sftp-") as directory, sftp_server(Path(directory)) as server:
        yield server
