"""Every reader on a real server: local files, nginx, sshd, nbdkit and qemu-nbd, tgt over the bridge; and servers that lie."""

import contextlib
import itertools
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.live.peers import requires
from tests.readers.conformance import CONTENT, Reader, ReaderConformance
from tests.readers.servers import (
    IscsiServer,
    WebServer,
    answering,
    certificates,
    iscsi_server,
    nbdkit_file,
    qemu_nbd,
    relay,
    web_server,
)
from tests.storage.servers import HOST, Sftp, free_port, sftp_server

from diskchain.errors import StorageDenied, StorageError, StorageTimeout
from diskchain.qemu.bridge import Bridge
from diskchain.readers.credentials import Credentials
from diskchain.readers.nbd import open_nbd
from diskchain.readers.open import open_location
from diskchain.secrets.value import SecretValue
from diskchain.storage.location import FileLocation, Location, NetworkHost, NetworkLocation, VolumeLocation
from diskchain.storage.protocol_options import Cookie, HttpOptions, SshOptions
from diskchain.storage.terms import Protocol, StorageType, Transport

_numbers = itertools.count()
TIMEOUT = 20.0


def network(protocol: Protocol, port: int, name: str | None, **more: object) -> NetworkLocation:
    return NetworkLocation(protocol, name, (NetworkHost(HOST, port),), **more)  # type: ignore[arg-type]


def written(directory: Path, content: bytes) -> Path:
    path = directory / f"image {next(_numbers)}"
    path.write_bytes(content)
    return path


class TestLocalFile(ReaderConformance):
    @pytest.fixture
    def reader(self, tmp_path: Path) -> Reader:
        return Reader(
            lambda content: FileLocation(str(written(tmp_path, content))),
            open_location,
            FileLocation(str(tmp_path / "none")),
            StorageType.FILE,
        )


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with tempfile.TemporaryDirectory(prefix="diskchain-web-") as directory:
        Path(directory).chmod(0o755)
        with web_server(Path(directory)) as server:
            yield server


def web_location(
    server: WebServer, path: Path, prefix: str = "", *, tls: bool = False, port: int = 0
) -> NetworkLocation:
    protocol, usual = (Protocol.HTTPS, server.tls_port) if tls else (Protocol.HTTP, server.port)
    options = HttpOptions(ssl_verify=False) if tls else None
    return network(protocol, port or usual, prefix + path.name, options=options)


@requires("nginx")
class TestHttp(ReaderConformance):
    tls = False

    @pytest.fixture
    def reader(self, web: WebServer) -> Iterator[Reader]:
        with relay(web.tls_port if self.tls else web.port) as way:
            yield Reader(
                lambda content: web_location(web, written(web.files, content), tls=self.tls, port=way.port),
                lambda location: open_location(location, timeout=TIMEOUT),
                web_location(web, Path("none"), tls=self.tls),
                cut=way.cut,
            )

    def test_an_empty_file_is_empty(self, reader: Reader) -> None:
        with reader.open(reader.serve(b"")) as image:
            assert (image.facts.size, image.head) == (0, b"")


@requires("nginx")
class TestHttps(TestHttp):
    tls = True


@requires("nginx")
def test_a_certificate_nobody_vouches_for_is_not_taken(web: WebServer) -> None:
    location = web_location(web, written(web.files, CONTENT), tls=True)._replace(options=None)
    with pytest.raises(StorageError, match="not to be trusted"):
        open_location(location, timeout=TIMEOUT)


@requires("nginx")
def test_a_web_server_that_gives_no_parts_is_refused(web: WebServer) -> None:
    with pytest.raises(StorageError, match="does not give out parts"):
        open_location(web_location(web, written(web.files, CONTENT), "whole/"), timeout=TIMEOUT)


@requires("nginx")
def test_cookies_are_sent_and_never_shown(web: WebServer) -> None:
    location = web_location(web, written(web.files, CONTENT), "guarded/")
    with pytest.raises(StorageDenied) as caught:
        open_location(location._replace(options=HttpOptions(cookies=(Cookie("who", "hunter2"),))), timeout=TIMEOUT)
    assert "hunter2" not in str(caught.value)
    cookies = (Cookie("who", "me"), Cookie("what", "read"))
    with open_location(location._replace(options=HttpOptions(cookies=cookies)), timeout=TIMEOUT) as image:
        assert image.pread(5000, 100) == CONTENT[5000:5100]


@pytest.fixture(scope="module")
def sftp() -> Iterator[Sftp]:
    # Not pytest's own directory: its parents are closed to the unprivileged half of sshd.
    with tempfile.TemporaryDirectory(prefix="diskchain-sftp-") as directory, sftp_server(Path(directory)) as server:
        yield server


def ssh_location(server: Sftp, path: Path, port: int = 0, **options: object) -> NetworkLocation:
    known = server.home / "known_hosts"
    known.write_text(f"[{HOST}]:{port or server.port} {(server.home / 'host.pub').read_text()}")
    chosen = {"known_hosts": str(known), "username": server.user, "keyfile": str(server.home / "user"), **options}
    return network(Protocol.SSH, port or server.port, str(path), options=SshOptions(**chosen))  # type: ignore[arg-type]


@requires("sshd", "root")
class TestSsh(ReaderConformance):
    @pytest.fixture
    def reader(self, sftp: Sftp) -> Iterator[Reader]:
        with relay(sftp.port) as way:
            yield Reader(
                lambda content: ssh_location(sftp, written(sftp.home, content), way.port),
                lambda location: open_location(location, timeout=TIMEOUT),
                ssh_location(sftp, Path("/none"), way.port),
                cut=way.cut,
            )


@requires("sshd", "root")
def test_a_host_key_nobody_knows_is_refused_unless_nobody_cares(sftp: Sftp, tmp_path: Path) -> None:
    path = written(sftp.home, CONTENT)
    (tmp_path / "empty").write_text("")
    with pytest.raises(StorageDenied, match="host key"):
        open_location(ssh_location(sftp, path, known_hosts=str(tmp_path / "empty")), timeout=TIMEOUT)
    with open_location(ssh_location(sftp, path, known_hosts=None, check_host_key=False), timeout=TIMEOUT) as image:
        assert image.facts.size == len(CONTENT)


@requires("sshd", "root")
def test_a_relative_path_starts_at_home_and_an_agent_logs_in(sftp: Sftp) -> None:
    path = written(sftp.home, CONTENT)
    agent = sftp.environment["SSH_AUTH_SOCK"]
    with open_location(ssh_location(sftp, Path(path.name), keyfile=None, agentsock=agent), timeout=TIMEOUT) as image:
        assert image.head == CONTENT[:4096]


@requires("sshd", "root")
def test_a_key_the_server_does_not_take_is_a_denial(sftp: Sftp) -> None:
    wrong = str(sftp.home / "host")
    with pytest.raises(StorageDenied):
        open_location(ssh_location(sftp, Path("/x"), keyfile=wrong), timeout=TIMEOUT)


@requires("nbdkit")
class TestNbdkit(ReaderConformance):
    @pytest.fixture
    def reader(self, tmp_path: Path) -> Iterator[Reader]:
        with ExitStack() as exits:

            def serve(content: bytes) -> Location:
                port = exits.enter_context(nbdkit_file(written(tmp_path, content)))
                return network(Protocol.NBD, exits.enter_context(relay(port)).port, "any")

            yield Reader(serve, lambda location: open_location(location, timeout=TIMEOUT), cut=exits.close)


@requires("qemu-nbd")
@pytest.mark.qemu
class TestQemuNbd(ReaderConformance):
    @pytest.fixture
    def reader(self, tmp_path: Path) -> Iterator[Reader]:
        with ExitStack() as exits:

            def serve(content: bytes) -> Location:
                path = written(tmp_path, content)
                exits.enter_context(qemu_nbd(path, socket := Path(f"{path}.sock")))
                return NetworkLocation(
                    Protocol.NBD, "disk", (NetworkHost(socket=str(socket), transport=Transport.UNIX),)
                )

            yield Reader(serve, lambda location: open_location(location, timeout=TIMEOUT), unit=512, cut=exits.close)


@requires("nbdkit")
def test_a_server_that_wants_whole_blocks_gets_them(tmp_path: Path) -> None:
    content = CONTENT[:12288]
    options = (
        "blocksize-minimum=4096",
        "blocksize-preferred=4096",
        "blocksize-maximum=1M",
        "blocksize-error-policy=error",
    )
    with (
        nbdkit_file(written(tmp_path, content), "--filter=blocksize-policy", settings=options) as port,
        open_location(network(Protocol.NBD, port, ""), timeout=TIMEOUT) as image,
    ):
        assert image.pread(5000, 3000) == content[5000:8000]
        assert image.pread(12287, 1) == content[-1:]


@requires("nbdkit")
def test_an_export_the_server_does_not_have_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    with nbdkit_file(
        tmp_path / "a", "--filter=exportname", settings=("exportname=a", "exportname-strict=true")
    ) as port:
        with open_location(network(Protocol.NBD, port, "a"), timeout=TIMEOUT) as image:
            assert image.facts.size == len(CONTENT)
        with pytest.raises(StorageError):
            open_location(network(Protocol.NBD, port, "b"), timeout=TIMEOUT)


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    with Bridge() as running:
        yield running


@requires("nbdkit", "qemu-storage-daemon")
@pytest.mark.qemu
def test_tls_is_qemus_to_speak(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    pki.mkdir()
    certificates(pki)
    options = ("--tls=require", f"--tls-certificates={pki}", "--tls-verify-peer")
    with nbdkit_file(written(tmp_path, CONTENT), *options) as port, Bridge(tls_directory=str(pki)) as bridge:
        with pytest.raises(StorageDenied, match="TLS"):
            open_location(network(Protocol.NBD, port, ""), timeout=TIMEOUT)
        for _ in range(2):
            with open_location(network(Protocol.NBD, port, "", tls=True), timeout=TIMEOUT, bridge=bridge) as image:
                assert image.pread(5000, 3000) == CONTENT[5000:8000]


class _OverTheBridge(ReaderConformance):
    """Readers through a storage daemon, which counts in sectors."""

    unit = 512


@requires("nginx", "qemu-storage-daemon")
@pytest.mark.qemu
class TestBridgeToHttp(_OverTheBridge):
    @pytest.fixture
    def reader(self, web: WebServer, bridge: Bridge) -> Reader:
        return Reader(
            lambda content: web_location(web, written(web.files, content)),
            lambda location: bridge(location, TIMEOUT),
            web_location(web, Path("none")),
            unit=self.unit,
        )

    def test_what_is_not_there_is_missing(self, reader: Reader) -> None:
        # libcurl tells QEMU "404" and QEMU tells us no more than that.
        assert reader.missing is not None
        with pytest.raises(StorageError):
            reader.open(reader.missing)


@requires("nginx", "qemu-storage-daemon")
@pytest.mark.qemu
def test_a_bridge_that_was_closed_is_built_anew(web: WebServer) -> None:
    location = web_location(web, written(web.files, CONTENT))
    with Bridge() as bridge:
        with bridge(location, TIMEOUT) as image:
            bridge.close()
            with pytest.raises(StorageError):
                image.pread(8192, 1)
        with bridge(location, TIMEOUT) as image:
            assert image.pread(8192, 1) == CONTENT[8192:8193]


@pytest.fixture(scope="module")
def iscsi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IscsiServer]:
    with iscsi_server(tmp_path_factory.mktemp("iscsi")) as server:
        yield server


@requires("tgtd", "tgtadm", "qemu-storage-daemon", "root")
@pytest.mark.qemu
class TestBridgeToIscsi(_OverTheBridge):
    @pytest.fixture
    def reader(self, iscsi: IscsiServer, bridge: Bridge, tmp_path: Path) -> Reader:
        return Reader(
            lambda content: network(Protocol.ISCSI, iscsi.port, f"{iscsi.add(written(tmp_path, content))}/1"),
            lambda location: open_location(location, timeout=TIMEOUT, bridge=bridge),
            network(Protocol.ISCSI, iscsi.port, "iqn.2014-03.test:none/1"),
            unit=self.unit,
        )


@requires("qemu-storage-daemon")
@pytest.mark.qemu
def test_without_a_bridge_what_only_qemu_reads_is_an_error() -> None:
    with pytest.raises(StorageError, match="without QEMU"):
        open_location(network(Protocol.ISCSI, 1, "iqn/1"))


def test_what_is_nowhere_yet_is_an_error() -> None:
    with pytest.raises(StorageError, match="volume"):
        open_location(VolumeLocation("pool", "volume"))


#: Protocols a reader of ours speaks, and one that QEMU does.
SPOKEN = (Protocol.HTTP, Protocol.NBD, Protocol.SSH, Protocol.ISCSI)


def attempt(protocol: Protocol, port: int, timeout: float, bridge: Bridge) -> None:
    name = "iqn.2014-03.test:x/1" if protocol is Protocol.ISCSI else "image"
    options = SshOptions(check_host_key=False, username="x") if protocol is Protocol.SSH else None
    with open_location(network(protocol, port, name, options=options), timeout=timeout, bridge=bridge) as image:
        image.pread(0, 1)


@pytest.mark.parametrize("protocol", SPOKEN)
@pytest.mark.qemu
def test_a_server_that_never_answers_is_a_timeout_in_time(protocol: Protocol, bridge: Bridge) -> None:
    started = time.monotonic()
    with answering(None) as port, pytest.raises(StorageTimeout):
        attempt(protocol, port, 1.0, bridge)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("protocol", SPOKEN)
@pytest.mark.qemu
def test_a_port_nobody_listens_at_is_an_error_of_storage(protocol: Protocol, bridge: Bridge) -> None:
    with pytest.raises(StorageError):
        attempt(protocol, free_port(), 15.0, bridge)


@pytest.mark.parametrize("protocol", SPOKEN)
@pytest.mark.parametrize("answer", [b"", b"\0" * 4096, b"HTTP/1.1 200 OK\r\n\r\n", bytes(range(256)) * 16])
@pytest.mark.qemu
def test_a_server_that_talks_nonsense_is_an_error_of_storage(protocol: Protocol, answer: bytes, bridge: Bridge) -> None:
    with answering(answer) as port, pytest.raises(StorageError):
        attempt(protocol, port, 3.0, bridge)


def test_a_web_server_that_sends_more_than_was_asked_for_is_not_listened_to() -> None:
    # It promises parts, and answers each request with a file that has no end.
    head = b"HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nContent-Length: 1099511627776\r\n\r\n" + bytes(1 << 16)
    with answering(head, again=1 << 12) as port, pytest.raises(StorageError):
        attempt(Protocol.HTTP, port, 5.0, Bridge())


_NBD_GREETING = b"NBDMAGICIHAVEOPT\0\x03"


@settings(max_examples=60)
@given(st.binary(max_size=64), st.booleans())
def test_an_nbd_server_may_send_anything(answer: bytes, greet: bool) -> None:  # noqa: FBT001
    with (
        answering(_NBD_GREETING * greet + answer, first=True) as port,
        contextlib.suppress(StorageError),
        open_nbd((HOST, port), "x", name="liar", timeout=3.0) as image,
    ):
        image.pread(0, image.facts.size and 1)


@requires("nginx", "qemu-storage-daemon")
@pytest.mark.qemu
def test_a_bridge_has_nothing_in_the_file_system(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    location = web_location(web, written(web.files, CONTENT))
    with Bridge() as bridge, bridge(location, TIMEOUT) as image:
        assert list(tmp_path.iterdir()) == []
        assert image.pread(8192, 1) == CONTENT[8192:8193]


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity"])
def test_an_answer_that_is_compressed_is_not_taken_for_the_bytes_of_the_file(encoding: str) -> None:
    body = b"0123456789abcdef"
    head = f"HTTP/1.1 206 Partial Content\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n"
    answer = head.encode() + b"Content-Range: bytes 0-15/16\r\n\r\n" + body
    with answering(answer) as port, contextlib.ExitStack() as exits:
        if encoding != "identity":
            exits.enter_context(pytest.raises(StorageError, match="compresses"))
        with open_location(network(Protocol.HTTP, port, "image"), timeout=5.0, bridge=Bridge()) as image:
            assert image.pread(0, 16) == body


@requires("qemu-storage-daemon")
@pytest.mark.qemu
@pytest.mark.parametrize("protocol", [Protocol.RBD, Protocol.FTP, Protocol.ISCSI])
def test_a_bridge_that_is_stuck_is_not_waited_for(protocol: Protocol) -> None:
    name = "iqn.2014-03.test:x/1" if protocol is Protocol.ISCSI else "pool/image"
    login = Credentials("user", SecretValue(b"secret"))
    with answering(None) as port, Bridge() as bridge:
        started = time.monotonic()
        with pytest.raises(StorageTimeout):
            bridge(network(protocol, port, name), 1.0, login if protocol is not Protocol.RBD else None)
        assert time.monotonic() - started < 6
