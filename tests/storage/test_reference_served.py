"""With real servers: ours and QEMU's agree on what is opened, and so do the strings we write."""

import json
import socket
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.live.storage import QemuImg
from tests.storage.newer_qemu import reads_otherwise
from tests.storage.servers import HOST, Nbd, Sftp, Web

from diskchain.errors import ReferenceSyntaxError
from diskchain.storage.location import NetworkLocation
from diskchain.storage.protocol_options import HttpOptions
from diskchain.storage.reference import format_reference, parse_reference
from diskchain.storage.reference.value import Reference
from diskchain.storage.source import Source
from diskchain.storage.terms import Transport


def ours(text: str) -> Reference | None:
    try:
        return parse_reference(text, "qemu")
    except ReferenceSyntaxError:
        return None


def written(reference: Reference) -> str:
    return format_reference(Source(reference.location, slice=reference.slice), reference.unknown)


NBD = [
    *("nbd:{host}:{port}", "nbd:{host}:{port}:exportname=a:b", "nbd:{host}:{port}:exportname=", "nbd:{host}:{port}/a", "nbd:{host}"),
    *("nbd:unix:{socket}", "nbd:unix:{socket}:exportname=x:exportname=y", "nbd:unix:{socket}:exportname=", "nbd:unix:", "nbd:"),
    *("nbd://{host}:{port}", "nbd://{host}:{port}/", "nbd://{host}:{port}//a", "nbd://{host}:{port}/a?x=y", "nbd://{host}:{port}/é"),
    *("nbd+tcp://{host}:{port}/a%20b/%c3%a9#f", "nbd://u:p@{host}:{port}/a", "nbd://{host}:/a", "nbd://{host}:{port}/a b", "nbds://{host}:{port}/a"),
    *("nbd+unix:///a%20b?socket={quoted}", "nbd+unix:////a?socket={quoted}", "nbd+unix://?socket={quoted}", "nbd+unix:///x?socket="),
    *("nbd+unix:///a?socket={quoted}&x=y", "nbd+unix:///a?socket={quoted};", "nbd+unix://h/a?socket={quoted}", "nbd+unix:///a"),
    'json:{{"driver":"nbd","server":{{"type":"inet","host":"{host}","port":{port}}},"export":"a"}}',
    'json:{{"driver":"nbd","server":{{"type":"inet","host":"{host}","port":"{port}"}},"export":"/a"}}',
    'json:{{"driver":"nbd","server":{{"type":"tcp","host":"{host}","port":"{port}"}}}}',
    'json:{{"driver":"nbd","server":{{"type":"inet","host":"{host}"}}}}',
    'json:{{"driver":"nbd","host":"{host}","port":{port},"export":"é"}}',
    'json:{{"driver":"nbd","path":"{socket}","export":"a"}}',
    'json:{{"driver":"nbd","server":{{"type":"unix","path":"{socket}"}},"reconnect-delay":1}}',
    'json:{{"driver":"nbd","path":"{socket}","export":"a","export":"b"}}',
    'json:{{"file.server.type":"unix","file.driver":"nbd","file.server.path":"{socket}","file.export":"a"}}',
    'json:{{"file.driver":"nbd","file":{{"path":"{socket}","export":"a"}}}}',
    'json:{{"driver":"raw","file":{{"driver":"nbd","path":"{socket}","export":"a"}}}}',
    "json:{{'driver':'nbd','path':'{socket}','export':'it\\'s \"quoted\"'}}",
    ' json:{{"driver":"nbd","path":"{socket}"}}',
    'json: {{"driver":"nbd","path":"{socket}"}} ',
    'json:{{"driver":"nbd","path":"{socket}"}}x',
]  # fmt: skip


def qemu_reads(qemu_img: QemuImg, text: str, directory: Path) -> str | None:
    """The name of the export that QEMU opens, which is what it contains; None when it refuses the string."""
    copy = directory / "copy"
    try:
        qemu_img("convert", "-O", "raw", text, copy)
    except subprocess.CalledProcessError:
        return None
    return copy.read_bytes().rstrip(b"\0").decode("utf-8", "surrogateescape")


def assert_same_export(qemu_img: QemuImg, nbd: Nbd, text: str, directory: Path) -> None:
    if reads_otherwise(text, qemu_img.versions):
        return
    read = qemu_reads(qemu_img, text, directory)
    reference = ours(text)
    assert (reference is None) == (read is None), text
    if reference is None:
        return
    location = reference.location
    assert isinstance(location, NetworkLocation)
    assert (location.name or "") == read
    host = location.hosts[0]
    if host.transport is Transport.UNIX:
        assert host.socket == str(nbd.socket)
    else:
        assert (host.name, host.port) == (HOST, nbd.port)
    assert qemu_reads(qemu_img, written(reference), directory) == read


@pytest.mark.parametrize("template", NBD)
def test_nbd_exports(template: str, nbd: Nbd, qemu_img: QemuImg, tmp_path: Path) -> None:
    quoted = str(nbd.socket).replace(" ", "%20")
    text = template.format(host=HOST, port=nbd.port, socket=nbd.socket, quoted=quoted)
    assert_same_export(qemu_img, nbd, text, tmp_path)


@settings(max_examples=60)
@given(pieces=st.lists(st.sampled_from(["/", "a", "%20", "%2f", ":", ";", "#", "é", "%ff", "'", "[", "@"]), max_size=6))
def test_nbd_uris_with_marks_anywhere(
    pieces: list[str], nbd: Nbd, qemu_img: QemuImg, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.getbasetemp()
    path = "".join(pieces)
    assert_same_export(qemu_img, nbd, f"nbd://{HOST}:{nbd.port}/{path}", directory)
    assert_same_export(qemu_img, nbd, f"nbd:unix:{nbd.socket}:exportname={path}", directory)


WEB = [
    *("http://{host}:{port}/a", "http://{host}:{port}/a%20b:c", "http://{host}:{port}", "http://{host}:{port}/", "http://{host}:{port}//a"),
    *("http://{host}:{port}/a?x=y&z=%41", "http://{host}:{port}?x", "http://{host}:{port}/a#f", "http://{host}:{port}/a%3Fb%23c%25d"),
    *("http://{host}:{port}/é", "http://{host}:{port}/[x]{{y}}|^`<>\"", "http://{host}:{port}/a b", "http://{host}:{port}/%zz"),
    *("http://{host}:{port}/a:readahead=64k:", "HTTP://{host}:{port}/a", "http:{host}:{port}/a", "http+tcp://{host}:{port}/a"),
    *("http://u:p@{host}:{port}/a", "http://u@{host}:{port}/a", "http://{host}:99999/a"),
    'json:{{"driver":"http","url":"http://{host}:{port}/a b"}}',
    'json:{{"driver":"http","url":"http://{host}:{port}/a","cookie":"a=b; c=d","readahead":512,"timeout":10}}',
    'json:{{"driver":"http","url":"http://{host}:{port}/a","readahead":"64k","timeout":"3","sslverify":"off"}}',
    'json:{{"driver":"https","url":"http://{host}:{port}/a"}}',
    'json:{{"driver":"http"}}',
    'json:{{"file":{{"url":"http://{host}:{port}/a"}}}}',
]  # fmt: skip


def asked_of_web(qemu_img: QemuImg, web: Web, text: str) -> set[str] | None:
    """What QEMU asks the server for, unescaped; None when it does not open the string."""
    web.requests()
    try:
        qemu_img("info", text)
    except subprocess.CalledProcessError:
        return None
    return {unquote(line) for line in web.requests()}


@pytest.mark.parametrize("template", WEB)
def test_urls(template: str, web: Web, qemu_img: QemuImg) -> None:
    text = template.format(host=HOST, port=web.port)
    asked = asked_of_web(qemu_img, web, text)
    reference = ours(text)
    assert (reference is None) == (asked is None)
    if reference is None:
        return
    location = reference.location
    assert isinstance(location, NetworkLocation)
    options = location.options if isinstance(location.options, HttpOptions) else HttpOptions()
    name = location.name or ""
    path = name if name.startswith("/") else f"/{name}"
    query = "" if options.query is None else f"?{unquote(options.query)}"
    cookie = "; ".join(f"{each.name}={each.value}" for each in options.cookies)
    assert asked == {f"{path}{query} cookie={cookie}"}
    assert asked_of_web(qemu_img, web, written(reference)) == asked


@pytest.mark.parametrize("scheme", ["https", "ftp", "ftps"])
def test_other_urls_reach_the_same_port(scheme: str, qemu_img: QemuImg) -> None:
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(20)
        port = server.getsockname()[1]
        text = f"{scheme}://{HOST}:{port}/a"
        reference = ours(text)
        assert reference is not None
        assert isinstance(reference.location, NetworkLocation)
        assert reference.location.hosts[0].port == port
        with subprocess.Popen(["qemu-img", "info", written(reference)], stderr=subprocess.DEVNULL) as client:
            server.accept()[0].close()
            server.close()
            client.wait(20)
    assert qemu_img.version


SSH = [
    *("ssh://{user}@{host}:{port}{file}?host_key_check=no", "ssh://{host}:{port}{file}?host_key_check=no", "ssh://{host}:{port}"),
    *("ssh://{user}@{host}:{port}{file}?a=b&host_key_check=no", "ssh+tcp://{user}@{host}:{port}{file}?host_key_check=no"),
    *("ssh://{user}@{host}:{port}/{file}?host_key_check=no", "ssh://{user}@{host}:{port}{file}?host_key_check=nonsense"),
    'json:{{"driver":"ssh","host":"{host}","port":{port},"user":"{user}","path":"{file}","host_key_check":"no"}}',
    'json:{{"driver":"ssh","server":{{"host":"{host}","port":"{port}"}},"path":"{file}","host-key-check":{{"mode":"none"}}}}',
    'json:{{"driver":"ssh","server":{{"host":"{host}","port":"{port}"}},"path":"image.raw","host-key-check":{{"mode":"none"}}}}',
    'json:{{"driver":"ssh","server":{{"host":"{host}"}},"path":"{file}","host-key-check":{{"mode":"none"}}}}',
]  # fmt: skip


def qemu_sees_over_ssh(sftp: Sftp, text: str) -> int | None:
    """The size of the image that QEMU opens; None when it opens none."""
    done = subprocess.run(
        ["qemu-img", "info", "--output=json", text], env=sftp.environment, capture_output=True, check=False, timeout=30
    )
    return None if done.returncode else int(json.loads(done.stdout)["virtual-size"])


@pytest.mark.qemu
@pytest.mark.parametrize("template", SSH)
def test_ssh_files(template: str, sftp: Sftp) -> None:
    file = sftp.home / "image.raw"
    file.write_bytes(bytes(5120))
    text = template.format(host=HOST, port=sftp.port, user=sftp.user, file=file)
    size = qemu_sees_over_ssh(sftp, text)
    reference = ours(text)
    assert (reference is None) == (size is None)
    if reference is None:
        return
    assert size == 5120
    location = reference.location
    assert isinstance(location, NetworkLocation)
    assert (location.hosts[0].name, location.hosts[0].port) == (HOST, sftp.port)
    assert (location.name or "").replace("//", "/") in (str(file), "image.raw")
    assert qemu_sees_over_ssh(sftp, written(reference)) == 5120


def test_the_host_key_is_checked_unless_the_string_says_otherwise(sftp: Sftp) -> None:
    text = f"ssh://{sftp.user}@{HOST}:{sftp.port}{sftp.home}/image.raw"
    reference = ours(text)
    assert reference is not None
    assert "host_key_check" not in written(reference)
    assert qemu_sees_over_ssh(sftp, text) is None
    assert qemu_sees_over_ssh(sftp, written(reference)) is None


def test_libvirts_reading_of_an_ssh_uri_loses_the_root_of_its_path(sftp: Sftp) -> None:
    """Which QEMU then looks for in the home directory: why the two readings are kept apart."""
    file = sftp.home / "image.raw"
    file.write_bytes(bytes(5120))
    there = parse_reference(f"ssh://{HOST}:{sftp.port}/image.raw", "libvirt")
    text = written(there).replace('"path"', '"host_key_check":"no","path"')
    assert qemu_sees_over_ssh(sftp, text) == 5120
    assert qemu_sees_over_ssh(sftp, text.replace("image.raw", str(file)[1:])) is None
