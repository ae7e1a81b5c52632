"""`json:` strings: every driver, dotted keys, what is kept and what is refused."""

from typing import Any

import pytest
from tests.storage.documents import BOTH, FILE, HOST, INET, parsed, refused

from diskchain.errors import UnsupportedReference
from diskchain.storage.location import (
    BlockLocation,
    DirLocation,
    FileLocation,
    Location,
    NetworkHost,
    NetworkLocation,
    NvmeLocation,
    PciAddress,
)
from diskchain.storage.protocol_options import (
    Cookie,
    HttpOptions,
    IscsiOptions,
    NbdOptions,
    NfsOptions,
    RbdOptions,
    SshOptions,
)
from diskchain.storage.reference.value import Dialect, Reference
from diskchain.storage.slice import Slice
from diskchain.storage.terms import Format, Protocol, Transport

BOTH_READ: list[tuple[dict[str, Any], Location]] = [
    (FILE, FileLocation("/a")),
    ({"driver": "host_device", "filename": "/dev/sda"}, BlockLocation("/dev/sda")),
    ({"driver": "host_cdrom", "filename": "/dev/sr0"}, BlockLocation("/dev/sr0")),
    ({"driver": "http", "url": "http://h:1/a"}, NetworkLocation(Protocol.HTTP, "a", HOST)),
    (
        {"driver": "https", "url": "https://h:1/a?q", "sslverify": False, "readahead": 512, "timeout": 5},
        NetworkLocation(Protocol.HTTPS, "a", HOST, HttpOptions("q", ssl_verify=False, readahead=512, timeout=5)),
    ),
    (
        {"driver": "ftps", "url": "ftps://h:1/a", "sslverify": "off"},
        NetworkLocation(Protocol.FTPS, "a", HOST, HttpOptions(ssl_verify=False)),
    ),
    (
        {"driver": "http", "url": "http://h:1/a", "cookie": "a=b;  c=d=e"},
        NetworkLocation(Protocol.HTTP, "a", HOST, HttpOptions(cookies=(Cookie("a", "b"), Cookie("c", "d=e")))),
    ),
    (
        {"driver": "gluster", "volume": "v", "path": "p/q", "server": [INET]},
        NetworkLocation(Protocol.GLUSTER, "v/p/q", HOST),
    ),
    (
        {
            "driver": "gluster",
            "volume": "v",
            "path": "p",
            "server": [{**INET, "type": "tcp"}, {"type": "unix", "socket": "/s"}],
        },
        NetworkLocation(Protocol.GLUSTER, "v/p", (*HOST, NetworkHost(None, None, "/s", Transport.UNIX))),
    ),
    ({"driver": "gluster", "filename": "gluster://h:1/v/p"}, NetworkLocation(Protocol.GLUSTER, "v/p", HOST)),
    (
        {"driver": "iscsi", "transport": "tcp", "portal": "h:1", "target": "iqn:t", "lun": 2},
        NetworkLocation(Protocol.ISCSI, "iqn:t/2", HOST),
    ),
    (
        {"driver": "iscsi", "transport": "tcp", "portal": "[::1]", "target": "t", "lun": "3"},
        NetworkLocation(Protocol.ISCSI, "t/3", (NetworkHost("::1", 3260),)),
    ),
    (
        {"driver": "iscsi", "transport": "tcp", "portal": "[::1]:4", "target": "t"},
        NetworkLocation(Protocol.ISCSI, "t/0", (NetworkHost("::1", 4),)),
    ),
    ({"driver": "nbd", "server": INET, "export": "e"}, NetworkLocation(Protocol.NBD, "e", HOST)),
    ({"driver": "nbd", "host": "h", "port": "1"}, NetworkLocation(Protocol.NBD, None, HOST)),
    ({"driver": "nbd", "host": "h"}, NetworkLocation(Protocol.NBD, None, (NetworkHost("h", 10809),))),
    (
        {"driver": "nbd", "path": "/s"},
        NetworkLocation(Protocol.NBD, None, (NetworkHost(None, None, "/s", Transport.UNIX),)),
    ),
    (
        {"driver": "nbd", "server": {"type": "unix", "path": "/s"}, "export": ""},
        NetworkLocation(Protocol.NBD, None, (NetworkHost(None, None, "/s", Transport.UNIX),)),
    ),
    (
        {"driver": "ssh", "path": "/a", "server": {"host": "h", "port": "1"}, "user": "root", "host_key_check": "no"},
        NetworkLocation(Protocol.SSH, "/a", HOST, SshOptions(username="root", check_host_key=False)),
    ),
    ({"driver": "ssh", "path": "/a", "host": "h", "port": "1"}, NetworkLocation(Protocol.SSH, "/a", HOST)),
    ({"driver": "rbd", "filename": "rbd:p/i@s"}, NetworkLocation(Protocol.RBD, "p/i", snapshot="s")),
    ({"driver": "rbd", "filename": "p/i"}, NetworkLocation(Protocol.RBD, "p/i")),
    (
        {
            "driver": "rbd",
            "pool": "p",
            "image": "i",
            "snapshot": "s",
            "conf": "/c",
            "server": [{"host": "h", "port": "1"}],
        },
        NetworkLocation(Protocol.RBD, "p/i", HOST, snapshot="s", config_file="/c"),
    ),
    (
        {"driver": "nfs", "server": {"type": "inet", "host": "h"}, "path": "/e/a", "user": 1, "group": 2},
        NetworkLocation(Protocol.NFS, "/e/a", (NetworkHost("h"),), NfsOptions("+1", "+2")),
    ),
    ({"driver": "nvme", "device": "0000:01:1f.7", "namespace": 3}, NvmeLocation(PciAddress(0, 1, 31, 7), 3)),
]


def _id(row: tuple[dict[str, Any], Location]) -> str:
    return "+".join(row[0])


@pytest.mark.parametrize(("document", "location"), BOTH_READ, ids=map(_id, BOTH_READ))
@pytest.mark.parametrize("dialect", BOTH)
def test_both_readings_agree(document: dict[str, Any], location: Location, dialect: Dialect) -> None:
    if dialect == "qemu" and document["driver"] == "iscsi" and "filename" in document:
        refused(document, dialect)
        return
    assert parsed(document, dialect).location == location


@pytest.mark.parametrize(("document", "location"), BOTH_READ, ids=map(_id, BOTH_READ))
def test_a_protocol_may_stand_at_the_top_or_below_file_or_below_raw(
    document: dict[str, Any], location: Location
) -> None:
    for dialect in BOTH:
        assert parsed({"file": document}, dialect).location == location
        assert parsed({"driver": "raw", "file": document}, dialect).location == location
        assert parsed({"file": {"driver": "raw", "offset": 512, "size": 1024, "file": document}}, dialect) == Reference(
            location,
            slice=Slice(512, 1024),
            user=parsed(document, dialect).user,
            credentials=parsed(document).credentials,
        )


@pytest.mark.parametrize(("document", "location"), BOTH_READ, ids=map(_id, BOTH_READ))
def test_dotted_keys_say_the_same(document: dict[str, Any], location: Location) -> None:
    assert parsed(dict(dotted("", document))).location == location
    assert parsed(dict(dotted("file.", document))).location == location
    assert parsed(dict(dotted("file.file.", document)) | {"file.driver": "raw"}, "qemu").location == location


def dotted(prefix: str, value: Any) -> list[tuple[str, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, each in pairs:
        found += dotted(f"{prefix}{key}.", each) if isinstance(each, dict | list) else [(f"{prefix}{key}", each)]
    return found


LIBVIRT_ONLY: list[tuple[dict[str, Any], Location]] = [
    ({"driver": "tftp", "url": "tftp://h:1/a"}, NetworkLocation(Protocol.TFTP, "a", HOST)),
    ({"driver": "iscsi", "filename": "iscsi://h:1/t/1"}, NetworkLocation(Protocol.ISCSI, "t/1", HOST)),
    ({"driver": "sheepdog", "filename": "sheepdog://h:1/a"}, NetworkLocation(Protocol.SHEEPDOG, "a", HOST)),
    ({"driver": "sheepdog", "vdi": "a", "server": INET}, NetworkLocation(Protocol.SHEEPDOG, "a", HOST)),
    (
        {"driver": "vxhs", "vdisk-id": "a", "server": {"host": "h", "port": "1"}},
        NetworkLocation(Protocol.VXHS, "a", HOST),
    ),
    ({"driver": "nbd", "server": {**INET, "type": "tcp"}}, NetworkLocation(Protocol.NBD, None, HOST)),
    (
        {"driver": "nbd", "server": {"type": "inet", "host": "h"}},
        NetworkLocation(Protocol.NBD, None, (NetworkHost("h", 10809),)),
    ),
    (
        {"driver": "rbd", "pool": "p", "image": "i", "server": [{"host": "h"}]},
        NetworkLocation(Protocol.RBD, "p/i", (NetworkHost("h"),)),
    ),
]


@pytest.mark.parametrize(("document", "location"), LIBVIRT_ONLY, ids=map(_id, LIBVIRT_ONLY))
def test_libvirt_reads_what_qemu_refuses(document: dict[str, Any], location: Location) -> None:
    assert parsed(document).location == location
    refused(document, "qemu")


QEMU_ONLY: list[tuple[dict[str, Any], Location]] = [
    ({"driver": "vvfat", "dir": "/a"}, DirLocation("/a")),
    ({"driver": "qcow2", "file": FILE}, FileLocation("/a")),
    (
        {"driver": "nfs", "server": {"type": "inet", "host": "h"}, "path": "/a"},
        NetworkLocation(Protocol.NFS, "/a", (NetworkHost("h"),)),
    ),
    ({"driver": "raw", "offset": "1k", "file": FILE}, FileLocation("/a")),
    ({"file": {"filename": "/a"}}, FileLocation("/a")),
    (
        {"driver": "http", "url": "http://h:1/a", "readahead": "64k", "timeout": "3"},
        NetworkLocation(Protocol.HTTP, "a", HOST, HttpOptions(readahead=65536, timeout=3)),
    ),
]


@pytest.mark.parametrize(("document", "location"), QEMU_ONLY, ids=map(_id, QEMU_ONLY))
def test_qemu_reads_what_libvirt_refuses(document: dict[str, Any], location: Location) -> None:
    assert parsed(document, "qemu").location == location
    refused(document, "libvirt")


QEMU_READS_MORE: list[tuple[dict[str, Any], Location]] = [
    ({"driver": "nbd", "server": {**INET, "port": 2}}, NetworkLocation(Protocol.NBD, None, (NetworkHost("h", 2),))),
    ({"driver": "nbd", "server": INET, "reconnect-delay": 3}, NetworkLocation(Protocol.NBD, None, HOST, NbdOptions(3))),
    (
        {"driver": "rbd", "pool": "p", "namespace": "n", "image": "i", "user": "u"},
        NetworkLocation(Protocol.RBD, "p/n/i", (), RbdOptions("u")),
    ),
    (
        {"driver": "iscsi", "transport": "tcp", "portal": "h:1", "target": "t", "initiator-name": "iqn"},
        NetworkLocation(Protocol.ISCSI, "t/0", HOST, IscsiOptions("iqn")),
    ),
    (
        {"driver": "ssh", "path": "/a", "server": {"host": "h", "port": "1"}, "host-key-check": {"mode": "none"}},
        NetworkLocation(Protocol.SSH, "/a", HOST, SshOptions(check_host_key=False)),
    ),
]


@pytest.mark.parametrize(("document", "location"), QEMU_READS_MORE, ids=map(_id, QEMU_READS_MORE))
def test_what_only_qemu_reads_is_an_unknown_key_to_libvirt(document: dict[str, Any], location: Location) -> None:
    assert parsed(document, "qemu").location == location
    assert not parsed(document, "qemu").unknown
    assert parsed(document).location != location
    assert parsed(document).unknown


def test_a_number_for_a_port_is_no_port_to_libvirt() -> None:
    found = parsed({"driver": "nbd", "server": {**INET, "port": 2}})
    assert found.location == NetworkLocation(Protocol.NBD, None, (NetworkHost("h", 10809),))
    assert found.unknown == (("file.server.port", 2),)


def test_a_format_driver_is_beyond_libvirt_and_said_to_be() -> None:
    with pytest.raises(UnsupportedReference, match="qcow2") as caught:
        parsed({"driver": "qcow2", "file": FILE})
    assert caught.value.driver == "qcow2"


def test_qemu_is_told_the_format_by_the_driver_on_top() -> None:
    assert parsed({"driver": "qcow2", "file": FILE}, "qemu").format is Format.QCOW2
    assert parsed({"driver": "raw", "file": FILE}, "qemu").format is Format.RAW
    assert parsed(FILE, "qemu").format is Format.RAW
    assert parsed({"file": FILE}, "qemu").format is None
    assert parsed(FILE).format is None


@pytest.mark.parametrize("dialect", BOTH)
def test_a_slice_may_lack_either_end(dialect: Dialect) -> None:
    assert parsed({"driver": "raw", "offset": 5, "file": FILE}, dialect).slice == Slice(5, 0)
    assert parsed({"driver": "raw", "size": 5, "file": FILE}, dialect).slice == Slice(0, 5)
    assert parsed({"driver": "raw", "file": FILE}, dialect).slice is None


@pytest.mark.parametrize("dialect", BOTH)
def test_brackets_in_a_name_are_no_objects(dialect: Dialect) -> None:
    name = "/" + "[{" * 300
    assert parsed({"driver": "file", "filename": name}, dialect).location == FileLocation(name)


def test_qemu_takes_a_window_above_the_file_for_a_raw_disk() -> None:
    found = parsed({"offset": 512, "file": FILE}, "qemu")
    assert (found.slice, found.format, found.unknown) == (Slice(512, 0), Format.RAW, ())
    assert parsed({"offset": 512, "file": {**FILE, "x": 1}}, "qemu").unknown == (("file.file.x", 1),)
    assert parsed({"offset": 512, "file": FILE}).unknown == (("offset", 512),)
    with pytest.raises(UnsupportedReference):
        parsed({"offset": 512, "file": {"driver": "raw", "file": FILE}}, "qemu")


def test_unknown_keys_are_named_where_they_are_written_back() -> None:
    document = {
        "x": 1,
        "file": {"driver": "raw", "y": 2, "offset": 5, "file": {**FILE, "z": {"a": [3, True]}, "w": {}}},
    }
    unknown = (("x", 1), ("file.y", 2), ("file.file.z.a.0", 3), ("file.file.z.a.1", True))
    assert parsed(document).unknown == unknown
    assert parsed({**FILE, "locking": "off"}).unknown == (("file.locking", "off"),)
    assert parsed({"driver": "raw", "x": 1, "file": FILE}).unknown == (("x", 1),)
    assert parsed({"driver": "qcow2", "encrypt.key-secret": "s", "file": FILE}, "qemu").unknown == (
        ("encrypt.key-secret", "s"),
    )
