"""Our storage daemon: spoken to over QMP, gone when left, and told no secret that anybody else could read."""

import logging
import os
import signal
import subprocess
import sys
import time
from base64 import b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from diskchain.errors import MissingExtra, PeerError, SecretMissing, SecretWrong, StorageTimeout, UsageError
from diskchain.qemu.blockdev import blockdev
from diskchain.qemu.daemon import QmpRefused, StorageDaemon
from diskchain.qemu.emission import SecretItem
from diskchain.qemu.master_key import MasterKey
from diskchain.qemu.nodes import Numbering
from diskchain.qemu.open_nodes import LayerRefused, close_nodes, open_nodes
from diskchain.secrets.value import SecretValue
from diskchain.storage.location import FileLocation, NetworkHost, NetworkLocation
from diskchain.storage.source import TERMINATOR, Source, stack
from diskchain.storage.terms import Format, Protocol
from tests.live.peers import requires
from tests.live.storage import QemuImg
from tests.qemu.images import KINDS, PASSPHRASE, Templates
from tests.readers.servers import answering
from tests.storage.servers import HOST

pytestmark = [pytest.mark.qemu, requires("qemu-storage-daemon", "qemu-img")]

SECONDS = 30


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_it_answers_and_is_gone_when_left() -> None:
    with StorageDaemon() as daemon:
        pid = daemon.pid
        assert daemon.execute("query-named-block-nodes") == []
    assert gone(pid)


def test_it_is_gone_after_an_error_too() -> None:
    pids: list[int] = []

    def fail() -> None:
        with StorageDaemon() as daemon:
            pids.append(daemon.pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert gone(pids[0])


def test_a_refused_command_says_why_and_which(tmp_path: Path) -> None:
    with StorageDaemon() as daemon, pytest.raises(QmpRefused, match="No such file") as caught:
        daemon.execute("blockdev-add", {"driver": "file", "node-name": "n", "filename": str(tmp_path / "none")})
    assert caught.value.command == "blockdev-add"


def test_a_killed_daemon_is_an_error_and_not_a_hang() -> None:
    with StorageDaemon(timeout=SECONDS) as daemon:
        os.kill(daemon.pid, signal.SIGKILL)
        with pytest.raises(PeerError, match="is gone"):
            daemon.execute("query-named-block-nodes")
        with pytest.raises(PeerError, match="is gone"):
            daemon.execute("query-named-block-nodes")


def test_it_dies_with_the_process_that_started_it() -> None:
    script = (
        "import os, signal\nfrom diskchain.qemu.daemon import StorageDaemon\n"
        "with StorageDaemon() as daemon:\n"
        "    print(daemon.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + SECONDS
    while not gone(int(done.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_without_the_program_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="qemu-storage-daemon is not installed"), StorageDaemon():
        pass


@pytest.mark.parametrize("module", ["qemu.qmp", "qemu"])
def test_without_the_package_it_says_what_to_install(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "qemu.qmp", raising=False) if module == "qemu" else None
    with pytest.raises(MissingExtra, match=r"diskchain\[open\]"), StorageDaemon():
        pass


def test_a_secret_travels_encrypted_under_the_master_key() -> None:
    key = MasterKey()
    reading = key.pipe()
    try:
        raw = os.read(reading, 64)
    finally:
        os.close(reading)
    sent = key.object("k", PASSPHRASE)
    assert PASSPHRASE.decode() not in str(sent)
    assert sent["keyid"] == "masterKey0"
    decryptor = Cipher(algorithms.AES(raw), modes.CBC(b64decode(sent["iv"]))).decryptor()
    unpadder = PKCS7(128).unpadder()
    padded = decryptor.update(b64decode(sent["data"])) + decryptor.finalize()
    assert unpadder.update(padded) + unpadder.finalize() == PASSPHRASE
    assert key.object("k", PASSPHRASE)["iv"] != sent["iv"]


def test_a_master_key_shows_itself_to_nobody() -> None:
    key = MasterKey()
    assert repr(key) == "MasterKey(…)"
    with pytest.raises(TypeError):
        key.__reduce__()


def test_neither_arguments_nor_environment_nor_logs_hold_a_secret_or_the_master_key(
    qemu_img: QemuImg, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    image = Templates(tmp_path, qemu_img).copy(KINDS["luks"], tmp_path / "image")
    emission = blockdev(Numbering().chain(image))
    (item,) = (item for item in emission.items if isinstance(item, SecretItem))
    with StorageDaemon() as daemon:
        master = bytes(daemon._key._key)
        open_nodes(daemon, emission, {item.id: SecretValue(PASSPHRASE)}, ["image"])
        for file in ("cmdline", "environ"):
            content = Path(f"/proc/{daemon.pid}/{file}").read_bytes()
            assert PASSPHRASE not in content
            assert master not in content
    assert PASSPHRASE.decode() not in caplog.text


def test_a_missing_key_is_noticed_before_anything_is_made(qemu_img: QemuImg, tmp_path: Path) -> None:
    templates = Templates(tmp_path, qemu_img)
    chain = [templates.copy(KINDS["qcow2"], tmp_path / "top"), templates.copy(KINDS["luks"], tmp_path / "base")]
    emission = blockdev(Numbering().chain(stack(chain, TERMINATOR)))
    with StorageDaemon() as daemon:
        with pytest.raises(SecretMissing) as caught:
            open_nodes(daemon, emission, {}, ["top", "base"])
        assert caught.value.layer == "base"
        assert daemon.execute("query-named-block-nodes") == []


def test_after_a_wrong_key_the_same_daemon_can_go_on(qemu_img: QemuImg, tmp_path: Path) -> None:
    emission = blockdev(Numbering().chain(Templates(tmp_path, qemu_img).copy(KINDS["luks"], tmp_path / "image")))
    (item,) = (item for item in emission.items if isinstance(item, SecretItem))
    with StorageDaemon() as daemon:
        with pytest.raises(SecretWrong) as caught:
            open_nodes(daemon, emission, {item.id: SecretValue(b"wrong")}, ["image"])
        assert caught.value.layer == "image"
        close_nodes(daemon, emission)
        open_nodes(daemon, emission, {item.id: SecretValue(PASSPHRASE)}, ["image"])


def test_a_layer_qemu_does_not_open_is_named(tmp_path: Path) -> None:
    image = tmp_path / "no.qcow2"
    image.write_bytes(bytes(4096))
    emission = blockdev(Numbering().chain(Source(FileLocation(str(image)), Format.QCOW2)))
    with StorageDaemon() as daemon, pytest.raises(LayerRefused, match=r"my layer: .*qcow2 format") as caught:
        open_nodes(daemon, emission, {}, ["my layer"])
    assert caught.value.layer == "my layer"


def test_a_name_that_is_not_utf8_is_refused_and_the_daemon_lives_on() -> None:
    name = os.fsdecode(b"/image \xff")
    with StorageDaemon() as daemon:
        with pytest.raises(QmpRefused, match="UTF-8"):
            daemon.execute("blockdev-add", {"driver": "file", "node-name": "x", "filename": name})
        assert daemon.execute("query-named-block-nodes") == []


def test_a_daemon_that_owes_an_answer_is_not_waited_for() -> None:
    with StorageDaemon(timeout=1.0) as daemon:
        pid = daemon.pid
        os.kill(pid, signal.SIGSTOP)  # it heeds nothing any more
        started = time.monotonic()
        for _ in range(3):
            with pytest.raises(StorageTimeout):
                daemon.execute("query-named-block-nodes")
    assert time.monotonic() - started < 6
    assert gone(pid)


def test_a_server_that_does_not_answer_is_told_by_its_layer() -> None:
    with answering(None) as port, StorageDaemon(timeout=1.0) as daemon:
        silent = Source(NetworkLocation(Protocol.NBD, "x", (NetworkHost(HOST, port),)), Format.RAW)
        emission = blockdev(Numbering().chain(silent))
        with pytest.raises(StorageTimeout, match=r"^vda\[0\]: no answer"):
            open_nodes(daemon, emission, {}, ["vda[0]"])
