"""With a real libvirtd: ours and libvirt's agree on what a backing string names, where it stops, and what it writes itself."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lxml import etree
from tests.live.daemons import Libvirtd, libvirt
from tests.live.domains import PausedDomain
from tests.live.storage import QemuImg
from tests.storage.servers import HOST, Nbd, accepts, free_port, nbd_servers, serving, web_server

from diskchain.errors import ReferenceSyntaxError
from diskchain.storage.location import FileLocation, NetworkHost, NetworkLocation, local_path
from diskchain.storage.protocol_options import HttpOptions, NbdOptions
from diskchain.storage.reference import format_reference, parse_reference
from diskchain.storage.reference.value import Reference
from diskchain.storage.slice import Slice
from diskchain.storage.source import Source
from diskchain.storage.terms import Protocol, Transport


def overlay_xml(number: int, overlay: Path) -> str:
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{overlay}'/>"
        f"<target dev='vd{chr(ord('a') + number)}' bus='virtio'/></disk>"
    )


def in_overlay(qemu_img: QemuImg, overlay: Path, text: str) -> Path:
    qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", text, "-F", "raw", overlay, "1M")
    overlay.chmod(0o644)
    return overlay


def shown_by_libvirt(backing: etree._Element) -> dict[str, str | None]:
    """What `<backingStore>` says of where the layer is."""
    said: dict[str, str | None] = {"type": backing.get("type")}
    source = backing.find("source")
    assert source is not None
    for place, renamed in ((".", "name"), ("host", "host"), ("slices/slice", "")):
        for element in source.findall(place):
            for key, value in element.attrib.items():
                if key not in ("index", "type", "tls"):
                    said[renamed if key == "name" else str(key)] = str(value)
    timeout = source.find("timeout")
    readahead = source.find("readahead")
    said |= {
        "timeout": None if timeout is None else timeout.get("seconds"),
        "readahead": None if readahead is None else readahead.get("size"),
    }
    return {key: value for key, value in said.items() if value}


def shown_by_us(reference: Reference) -> dict[str, str | None]:
    location = reference.location
    said: dict[str, str | None] = {"type": str(location.type)}
    if isinstance(location, NetworkLocation):
        host = location.hosts[0]
        options = location.options if isinstance(location.options, HttpOptions) else HttpOptions()
        said |= {
            "protocol": str(location.protocol),
            "name": location.name,
            "query": options.query,
            "timeout": None if options.timeout is None else str(options.timeout),
            "readahead": None if options.readahead is None else str(options.readahead),
            "host": host.name,
            "port": None if host.port is None else str(host.port),
            "transport": None if host.transport is Transport.TCP else str(host.transport),
            "socket": host.socket,
        }
    else:
        said["file"] = local_path(location)
    if reference.slice is not None:
        said |= {"offset": str(reference.slice.offset), "size": str(reference.slice.size)}
    return {key: value for key, value in said.items() if value}


READ = [
    *("{dir}/base.raw", "{dir}/b:se.raw", "{dir}/./base.raw", "{dir}/é ü.raw"),
    *("nbd:{host}:{port}", "nbd:{host}:{port}:exportname=a:b", "nbd:unix:{socket}:exportname=x:exportname=y"),
    *("nbd://{host}:{port}/a%20b", "nbd://{host}:{port}//a", "nbd://{host}:{port}", "nbd://{host}:{port}/a#[b]"),
    *("nbd+unix:///a?socket={socket}", "nbd+unix:////a?socket={socket}"),
    *("http://{host}:{web}/a%20b/c?x=y", "http://{host}:{web}"),
    'json:{{"driver":"file","filename":"{dir}/base.raw"}}',
    'json:{{"file.driver":"file","file.filename":"{dir}/b:se.raw"}}',
    'json:{{"file":{{"driver":"raw","offset":512,"size":1024,"file":{{"driver":"file","filename":"{dir}/base.raw"}}}}}}',
    'json:{{"driver":"raw","file":{{"driver":"file","filename":"{dir}/base.raw"}}}}',
    'json:{{"file":{{"driver":"nbd","server":{{"type":"unix","path":"{socket}"}},"export":"a"}}}}',
    'json:{{"driver":"nbd","server":{{"type":"tcp","host":"{host}","port":"{port}"}},"unknown":1}}',
    'json:{{"driver":"nbd","host":"{host}","port":"{port}","export":"\\u00e9"}}',
    'json:{{"driver":"http","url":"http://{host}:{web}/a","timeout":10,"readahead":4096}}',
]  # fmt: skip


@pytest.fixture
def served(image_dir: Path) -> Iterator[dict[str, str | int | Path]]:
    """Files, exports and URLs that a domain can open; the words of `READ`."""
    for name in ("base.raw", "b:se.raw", "é ü.raw"):
        (image_dir / name).write_bytes(bytes(1 << 20))
        (image_dir / name).chmod(0o644)
    (image_dir / "web").mkdir()
    with nbd_servers(image_dir) as nbd, web_server(image_dir / "web") as web:
        # A string in colon syntax holds a space as it is, a URI escaped, and libvirt does not unescape sockets.
        socket = nbd.socket.rename(image_dir / "nbd.sock")
        socket.chmod(0o666)
        yield {"dir": image_dir, "host": HOST, "port": nbd.port, "socket": socket, "web": web.port}


def test_libvirt_shows_the_same_backing_layer(
    served: dict[str, str | int | Path],
    image_dir: Path,
    qemu_img: QemuImg,
    paused_domain: Callable[..., PausedDomain],
) -> None:
    texts = [template.format(**served) for template in READ]
    overlays = [in_overlay(qemu_img, image_dir / f"{n}.qcow2", text) for n, text in enumerate(texts)]
    domain = paused_domain("".join(overlay_xml(n, overlay) for n, overlay in enumerate(overlays)))
    disks = etree.fromstring(domain.live_xml().encode()).findall("devices/disk")
    assert len(disks) == len(texts)
    for text, disk in zip(texts, disks, strict=True):
        backing = disk.find("backingStore")
        assert backing is not None
        assert shown_by_libvirt(backing) == shown_by_us(parse_reference(text)), text


def test_libvirt_stops_where_a_string_holds_a_login(
    served: dict[str, str | int | Path],
    image_dir: Path,
    qemu_img: QemuImg,
    paused_domain: Callable[..., PausedDomain],
) -> None:
    text = "nbd://user@{host}:{port}/a".format(**served)
    domain = paused_domain(overlay_xml(0, in_overlay(qemu_img, image_dir / "overlay.qcow2", text)))
    disk = etree.fromstring(domain.live_xml().encode()).find("devices/disk")
    assert disk is not None
    assert disk.find("backingStore/source") is None
    assert parse_reference(text).unfollowed


REFUSED = [
    *("file:/a", "host_device:/dev/null", "foo:bar", "foo://h/x", "nvme://0000:44:00.0/1", "sheepdog:x", "http:/h/x", "iscsi:x"),
    *("nbd:", "nbd:h", "nbd:h:x", "nbd:h:65536", "nbd:unix:", "nbd+foo://h/x", "http://h/a b", "http://h/é", "http://h/%zz", "http://h/[a]", "http://h/a?[b]", "gluster://h/v"),
    *("rbd:p/i:id=a:id=b", "rbd:p/i:mon_host=a\\:x", "://"),
    "json:{", "json:[]", "json:{}", 'json:{"driver":"qcow2","file":{"driver":"file","filename":"/a"}}',
    'json:{"file":{"driver":"luks","file":{"driver":"file","filename":"/a"}}}',
    'json:{"driver":"raw","file":{"driver":"raw","file":{"driver":"file","filename":"/a"}}}',
    'json:{"driver":"vvfat","dir":"/a"}',
    'json:{"file":{"filename":"/a"}}',
    'json:{"driver":"raw","size":"512","file":{"driver":"file","filename":"/a"}}',
    'json:{"driver":"http","url":"https://h/a"}',
    'json:{"driver":"http","url":"http://h/a","cookie":"a"}',
    'json:{"driver":"https","url":"https://h/a","sslverify":"no"}',
    'json:{"driver":"iscsi","transport":"iser","portal":"h","target":"t"}',
    'json:{"driver":"nbd","server":{"host":"h"}}',
    'json:{"driver":"nbd","export":"x"}',
    'json:{"driver":"nfs","server":{"type":"inet","host":"h"},"path":"/a"}',
    'json:{"driver":"rbd","pool":"p"}',
    'json:{"driver":"gluster","volume":"v","path":"p","server":[]}',
    'json:{"driver":"file","driver":"file","filename":"/a"}',
    'json:{"file.driver":"file","file":1}',
    "json:{'driver':'file','filename':'/a'}",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_libvirt_refuses_the_same_strings(
    text: str, image_dir: Path, qemu_img: QemuImg, libvirtd: Libvirtd, paused_domain: Callable[..., PausedDomain]
) -> None:
    with pytest.raises(ReferenceSyntaxError):
        parse_reference(text)
    overlay = in_overlay(qemu_img, image_dir / "overlay.qcow2", text)
    with pytest.raises(libvirt.libvirtError) as caught:
        paused_domain(overlay_xml(0, overlay))
    # Refused while the chain was looked at, not by QEMU, which starts later.
    assert "process exited" not in str(caught.value)
    assert "QEMU" not in str(caught.value)
    assert libvirtd.connection.isAlive()


class Written:
    """A disk as `<disk>` says it, and as our values do."""

    def __init__(self, xml: str, source: Source) -> None:
        self.xml = xml
        self.source = source


def network_disk(nbd: Nbd, name: str | None, *, delay: int | None = None, unix: bool = False) -> Written:
    host = NetworkHost(None, None, str(nbd.socket), Transport.UNIX) if unix else NetworkHost(HOST, nbd.port)
    address = f"transport='unix' socket='{nbd.socket}'" if unix else f"name='{HOST}' port='{nbd.port}'"
    reconnect = "" if delay is None else f"<reconnect delay='{delay}'/>"
    called = "" if name is None else f"name='{name}'"
    options = None if delay is None else NbdOptions(delay)
    return Written(
        f"<source protocol='nbd' {called}><host {address}/>{reconnect}</source>",
        Source(NetworkLocation(Protocol.NBD, name, (host,), options)),
    )


def test_libvirt_writes_the_same_strings_into_overlays(
    image_dir: Path, qemu_img: QemuImg, paused_domain: Callable[..., PausedDomain]
) -> None:
    for name in ("base.raw", "b:se é.raw", "sliced.raw"):
        (image_dir / name).write_bytes(bytes(1 << 20))
    port, socket = free_port(), image_dir / "memory.sock"
    with (
        serving(accepts((HOST, port)), "nbdkit", "-f", "-i", HOST, "-p", str(port), "memory", "1M"),
        serving(accepts(str(socket)), "nbdkit", "-f", "-U", socket, "memory", "1M"),
    ):
        socket.chmod(0o666)
        nbd = Nbd(port, socket)
        sliced = image_dir / "sliced.raw"
        written = [
            *(Written(f"<source file='{image_dir / n}'/>", Source(FileLocation(str(image_dir / n)))) for n in ("base.raw", "b:se é.raw")),
            Written(
                f"<source file='{sliced}'><slices><slice type='storage' offset='512' size='1024'/></slices></source>",
                Source(FileLocation(str(sliced)), slice=Slice(512, 1024)),
            ),
            *(network_disk(nbd, name) for name in (None, "plain", "a b:c?d#e%é;@!$(x)", "a/b")),
            *(network_disk(nbd, name, unix=True) for name in (None, "a b")),
            network_disk(nbd, "x", delay=5),
        ]  # fmt: skip
        disks, snapshots = "", ""
        for n, each in enumerate(written):
            kind = "network" if isinstance(each.source.location, NetworkLocation) else "file"
            disks += (
                f"<disk type='{kind}' device='disk'><driver name='qemu' type='raw'/>{each.xml}"
                f"<target dev='vd{chr(97 + n)}' bus='virtio'/></disk>"
            )
            snapshots += f"<disk name='vd{chr(97 + n)}'><source file='{image_dir / f'new{n}.qcow2'}'/></disk>"
        image_dir.chmod(0o777)  # QEMU's user makes the overlays
        domain = paused_domain(disks)
        domain.domain.snapshotCreateXML(
            f"<domainsnapshot><disks>{snapshots}</disks></domainsnapshot>",
            libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA,
        )
        for n, each in enumerate(written):
            info = json.loads(qemu_img("info", "-U", "--output=json", image_dir / f"new{n}.qcow2"))
            assert info["backing-filename"] == format_reference(as_libvirt_wrote(each.source))


def as_libvirt_wrote(source: Source) -> Source:
    """One difference: libvirt 9.0 forgets an nbd delay and writes a URI; 11.3 writes `json:`, as we do."""
    if int(libvirt.getVersion()) < 11_000_000 and isinstance(source.location, NetworkLocation):
        return source._replace(location=source.location._replace(options=None))
    return source
