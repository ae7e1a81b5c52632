"""A header that says whom to trust: a finding, and the layer is read without it. QEMU and the readers show the difference."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.discover.chains import ids, overlay
from tests.live.peers import requires
from tests.live.storage import QemuImg
from tests.readers.conformance import CONTENT
from tests.readers.servers import WebServer, web_server
from tests.storage.servers import HOST

from diskchain.discover import BackingChain, Discoverer
from diskchain.qemu.blockdev import blockdev
from diskchain.qemu.policy import LIBVIRT_11, QSD
from diskchain.readers.open import open_location
from diskchain.readers.policy import STRICT
from diskchain.storage.location import FileLocation, NetworkHost, NetworkLocation
from diskchain.storage.protocol_options import HttpOptions
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Protocol


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with tempfile.TemporaryDirectory(prefix="diskchain-web-") as directory:
        Path(directory).chmod(0o755)
        with web_server(Path(directory)) as server:
            (server.files / "base").write_bytes(CONTENT)
            yield server


def unchecked(web: WebServer) -> str:
    file = f'{{"driver":"https","url":"https://{HOST}:{web.tls_port}/base","sslverify":"off"}}'
    return f'json:{{"driver":"raw","file":{file}}}'


def discovered(top: Source, *, remote: bool = True) -> BackingChain:
    reader = (lambda source: open_location(source.location, timeout=20.0)) if remote else None
    return Discoverer(elsewhere=reader).discover(top)


@requires("nginx")
def test_a_certificate_is_checked_whatever_the_header_says(qemu_img: QemuImg, web: WebServer, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", unchecked(web), "raw")
    chain = discovered(Source(FileLocation(str(top)), Format.QCOW2))
    assert ids(chain) == ["trust-in-header", "unreachable"]
    assert "certificate is not to be trusted" in list(chain.findings)[1].message
    # … and QEMU believes the header, which is what the finding says.
    assert qemu_img("map", top)


@requires("nginx")
def test_a_document_may_say_so(web: WebServer) -> None:
    location = NetworkLocation(
        Protocol.HTTPS, "base", (NetworkHost(HOST, web.tls_port),), HttpOptions(ssl_verify=False)
    )
    assert ids(discovered(Source(location, Format.RAW))) == []


def test_libvirts_nodes_hand_it_on_and_ours_do_not(qemu_img: QemuImg, tmp_path: Path) -> None:
    text = 'json:{"driver":"https","url":"https://h/x","sslverify":"off"}'
    top = overlay(qemu_img, tmp_path / "top.qcow2", text, "raw")
    source = discovered(Source(FileLocation(str(top)), Format.QCOW2), remote=False).source
    assert isinstance(source.backing, Source)
    source = source._replace(chain_index=1, backing=source.backing._replace(chain_index=2))
    switches = {
        profile.name: [node["sslverify"] for node in blockdev(source, profile=profile).nodes() if "sslverify" in node]
        for profile in (LIBVIRT_11, QSD)
    }
    assert switches == {LIBVIRT_11.name: [False], QSD.name: []}


def test_credentials_a_header_names_are_a_finding_under_every_policy(qemu_img: QemuImg, tmp_path: Path) -> None:
    text = 'json:{"driver":"nbd","server":{"type":"inet","host":"h","port":"1"},"tls-creds":"tls0"}'
    top = overlay(qemu_img, tmp_path / "top.qcow2", text, "raw")
    source = Source(FileLocation(str(top)), Format.QCOW2)
    assert ids(discovered(source, remote=False)) == ["trust-in-header", "not-inspected"]
    assert ids(Discoverer(STRICT).discover(source)) == ["trust-in-header", "reference-refused"]
