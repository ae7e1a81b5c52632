"""What goes along when a web server redirects, on a real one: nothing of ours to another host, port or scheme."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.live.peers import requires
from tests.live.private_libvirtd import wait_for
from tests.readers.conformance import CONTENT
from tests.readers.servers import WebServer, web_server
from tests.storage.servers import HOST

from diskchain.discover import Discoverer
from diskchain.discover.chain import BackingChain
from diskchain.errors import StorageError
from diskchain.findings import Severity
from diskchain.readers.credentials import Credentials
from diskchain.readers.open import open_location
from diskchain.readers.remote import RemoteImage
from diskchain.secrets.value import SecretValue
from diskchain.storage.location import NetworkHost, NetworkLocation
from diskchain.storage.protocol_options import Cookie, HttpOptions
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Protocol

pytestmark = requires("nginx")
TIMEOUT = 20.0
COOKIES = (Cookie("who", "me"), Cookie("what", "read"))
LOGIN = Credentials("somebody", SecretValue(b"hunter2"))


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with tempfile.TemporaryDirectory(prefix="diskchain-web-") as directory:
        Path(directory).chmod(0o755)
        with web_server(Path(directory)) as server:
            (server.files / "image").write_bytes(CONTENT)
            yield server


def location(web: WebServer, name: str, *, tls: bool = False, unchecked: bool = False) -> NetworkLocation:
    protocol, port = (Protocol.HTTPS, web.tls_port) if tls else (Protocol.HTTP, web.port)
    options = HttpOptions(cookies=COOKIES, ssl_verify=False if unchecked else None)
    return NetworkLocation(protocol, name, (NetworkHost(HOST, port),), options)


def opened(where: NetworkLocation, credentials: Credentials | None = LOGIN) -> RemoteImage:
    image = open_location(where, timeout=TIMEOUT, credentials=credentials)
    assert isinstance(image, RemoteImage)
    return image


def chain(where: NetworkLocation) -> BackingChain:
    discoverer = Discoverer(elsewhere=lambda source: open_location(source.location, timeout=TIMEOUT))
    return discoverer.discover(Source(where, Format.RAW))


def test_cookies_and_login_do_not_go_to_another_port(web: WebServer) -> None:
    before = len(web.sent_to_the_other())
    with opened(location(web, "moved/image")) as image:
        assert image.pread(5000, 100) == CONTENT[5000:5100]
        assert image.moved_to == f"http://{HOST}:{web.other_port}/image"
    wait_for(
        lambda: len(web.sent_to_the_other()) >= before + 2, "the server's log"
    )  # one answer for the head, one for more
    assert set(web.sent_to_the_other()[before:]) == {("-", "-")}


def test_the_log_of_the_other_server_would_show_them(web: WebServer) -> None:
    direct = location(web, "image")._replace(hosts=(NetworkHost(HOST, web.other_port),))
    before = len(web.sent_to_the_other())
    with opened(direct):
        pass
    wait_for(lambda: len(web.sent_to_the_other()) > before, "the server's log")
    assert web.sent_to_the_other()[before:] == [("who=me; what=read", "Basic c29tZWJvZHk6aHVudGVyMg==")]


def test_cookies_go_to_another_place_of_the_same_server(web: WebServer) -> None:
    with opened(location(web, "renamed/image"), None) as image:
        assert (image.head, image.moved_to) == (CONTENT[:4096], None)


def test_cookies_do_not_come_back_with_a_redirect_from_another_server(web: WebServer) -> None:
    with pytest.raises(StorageError, match=r"answers 403 \(at http"):
        opened(location(web, "bounced/image"), None)


def test_an_unchecked_certificate_is_the_named_servers_alone(web: WebServer) -> None:
    with opened(location(web, "image", tls=True, unchecked=True)):
        pass
    with pytest.raises(StorageError, match="not to be trusted"):
        opened(location(web, "secured/image", tls=True, unchecked=True))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("circle/", "more than 10 times"),
        ("abroad/", "not http or https"),
        ("nowhere/", "does not say where to"),
    ],
)
def test_a_redirect_that_leads_nowhere_is_an_error(web: WebServer, name: str, problem: str) -> None:
    with pytest.raises(StorageError, match=problem):
        opened(location(web, name))


def test_a_redirect_to_another_server_is_a_finding(web: WebServer) -> None:
    (found,) = chain(location(web, "moved/image")).findings
    assert (found.id, found.severity) == ("redirected", Severity.WARNING)
    assert f"http://{HOST}:{web.other_port}/image" in found.message
    assert "signed" not in found.message


def test_a_redirect_is_a_finding_even_if_nothing_is_there(web: WebServer) -> None:
    assert [found.id for found in chain(location(web, "moved/none")).findings] == ["redirected", "missing"]


def test_a_redirect_to_https_of_the_same_host_is_a_note(web: WebServer) -> None:
    ids = {found.id: found.severity for found in chain(location(web, "upgraded/image")).findings}
    assert ids["redirected"] is Severity.INFO


def test_a_redirect_within_a_server_is_no_finding(web: WebServer) -> None:
    assert list(chain(location(web, "renamed/image")).findings) == []
