"""Every syntax of a backing string, in both readings. What the programs themselves make of them is in the live tests."""

import pytest
from tests.storage.documents import BOTH

from diskchain.errors import ReferenceSyntaxError, UnsupportedReference
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
from diskchain.storage.protocol_options import HttpOptions, NfsOptions, RbdOptions, SshOptions
from diskchain.storage.reference import parse_reference
from diskchain.storage.reference.value import Dialect, Reference, is_file_name, is_relative
from diskchain.storage.terms import Format, Protocol, Transport


def net(protocol: Protocol, name: str | None, host: str | None = "h", port: int | None = None) -> NetworkLocation:
    return NetworkLocation(protocol, name, (NetworkHost(host, port),))


def unix(protocol: Protocol, name: str | None, socket: str) -> NetworkLocation:
    return NetworkLocation(protocol, name, (NetworkHost(None, None, socket, Transport.UNIX),))


@pytest.mark.parametrize(
    "text", ["a", "/a", "/a:b", "./a:b", "a/b:c", "/nbd://h/x", "a/json:{}", "é", "\udc80", "a b", "~/x"]
)
@pytest.mark.parametrize("dialect", BOTH)
def test_a_string_without_a_colon_before_its_first_slash_is_a_file_name(text: str, dialect: Dialect) -> None:
    assert is_file_name(text)
    assert parse_reference(text, dialect) == Reference(FileLocation(text))


@pytest.mark.parametrize("text", ["a:b", ":", "a:", ":/x", "json:{}", "nbd:h:1", "nbd://h/x", "fat:/x"])
def test_a_string_with_a_colon_before_its_first_slash_is_not(text: str) -> None:
    assert not is_file_name(text)
    assert not is_relative(text)


def test_only_file_names_without_a_leading_slash_are_relative() -> None:
    assert is_relative("a/b")
    assert is_relative("../a")
    assert is_relative("./a:b")
    assert not is_relative("/a")
    assert not is_relative('json:{"driver":"file","filename":"a"}')


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("nbd:h:1", net(Protocol.NBD, None, "h", 1)),
        ("nbd:h:0", net(Protocol.NBD, None, "h", 10809)),
        ("nbd:h:1:exportname=a:b/c", net(Protocol.NBD, "a:b/c", "h", 1)),
        ("nbd:[::1]:1:exportname=a", net(Protocol.NBD, "a", "::1", 1)),
        ("nbd:unix:/s", unix(Protocol.NBD, None, "/s")),
        ("nbd:unix:/s::exportname=:exportname=x", unix(Protocol.NBD, ":exportname=x", "/s:")),
        ("nbd://h", net(Protocol.NBD, None, "h", 10809)),
        ("nbd://h/", net(Protocol.NBD, None, "h", 10809)),
        ("nbd://[fe80::1]:1/a%20b/c#f", net(Protocol.NBD, "a b/c", "fe80::1", 1)),
        ("nbd+tcp://h/%ff", net(Protocol.NBD, "\udcff", "h", 10809)),
        ("nbd+unix:///a?socket=/s", unix(Protocol.NBD, "a", "/s")),
        ("nbd+unix:////a?socket=/s", unix(Protocol.NBD, "/a", "/s")),
        ("nbd+unix://?socket=/s", unix(Protocol.NBD, None, "/s")),
        ("http://h/a%20b/c", net(Protocol.HTTP, "a b/c", "h", 80)),
        ("https://h:8443", net(Protocol.HTTPS, None, "h", 8443)),
        ("ftp://h/a", net(Protocol.FTP, "a", "h", 21)),
        ("ftps://h/a", net(Protocol.FTPS, "a", "h", 990)),
        ("iscsi://h/iqn.2016-01.example%3Ax/1", net(Protocol.ISCSI, "iqn.2016-01.example:x/1", "h", 3260)),
        ("gluster://h/v/a/b", net(Protocol.GLUSTER, "v/a/b", "h", 24007)),
        ("gluster+unix:///v/a?socket=/s", unix(Protocol.GLUSTER, "v/a", "/s")),
        (
            "gluster+rdma://h:5/v/a",
            NetworkLocation(Protocol.GLUSTER, "v/a", (NetworkHost("h", 5, None, Transport.RDMA),)),
        ),
        ("rbd:p/i", NetworkLocation(Protocol.RBD, "p/i")),
        ("rbd:p/i@s", NetworkLocation(Protocol.RBD, "p/i", snapshot="s")),
        (
            "rbd:p/i@s:conf=/etc/c:mon_host=a\\;b\\:3300\\,[\\:\\:1]\\:6789",
            NetworkLocation(
                Protocol.RBD,
                "p/i",
                (NetworkHost("a"), NetworkHost("b", 3300), NetworkHost("::1", 6789)),
                snapshot="s",
                config_file="/etc/c",
            ),
        ),
    ],
)
@pytest.mark.parametrize("dialect", BOTH)
def test_both_readings_agree(text: str, location: Location, dialect: Dialect) -> None:
    assert parse_reference(text, dialect) == Reference(location)


@pytest.mark.parametrize("dialect", BOTH)
def test_a_fat_string_is_a_directory(dialect: Dialect) -> None:
    assert parse_reference("fat:/srv/boot", dialect) == Reference(DirLocation("/srv/boot"), Format.FAT)


DIFFERENT: list[tuple[str, Location | None, Location | None]] = [
    ("file:/a", None, FileLocation("/a")),
    ("file:a:b", None, FileLocation("a:b")),
    ("host_device:/dev/sda", None, BlockLocation("/dev/sda")),
    ("host_cdrom:/dev/sr0", None, BlockLocation("/dev/sr0")),
    ("fat:rw:16:/a", DirLocation("rw:16:/a"), DirLocation("/a")),
    ("fat:/a:b", DirLocation("/a:b"), DirLocation("b")),
    ("fat:rw:c:/a", DirLocation("rw:c:/a"), DirLocation("c:/a")),
    ("nvme://0000:44:00.0/1", None, NvmeLocation(PciAddress(0, 0x44, 0, 0), 1)),
    ("ssh://h/a", net(Protocol.SSH, "a", "h", 22), net(Protocol.SSH, "/a", "h", 22)),
    (
        "nfs://h:5/a?uid=1",
        net(Protocol.NFS, "a", "h", 5),
        NetworkLocation(Protocol.NFS, "/a", (NetworkHost("h"),), NfsOptions("+1")),
    ),
    ("nbd://h/a?x", net(Protocol.NBD, "a", "h", 10809), None),
    ("nbd+unix:///a?socket=/s%20x", unix(Protocol.NBD, "a", "/s%20x"), unix(Protocol.NBD, "a", "/s x")),
    ("nbd+unix:///a?socket=/s&x=y", unix(Protocol.NBD, "a", "/s&x=y"), None),
    ("nbd+unix://h/a?socket=/s", unix(Protocol.NBD, "a", "/s"), None),
    ("http+unix:///a?socket=/s", None, None),
    ("iscsi+unix:///t/1?socket=/s", unix(Protocol.ISCSI, "t/1", "/s"), None),
    ("http://h//x", net(Protocol.HTTP, "/x", "h", 80), net(Protocol.HTTP, "//x", "h", 80)),
    ("http://h/a%2Fb", net(Protocol.HTTP, "a/b", "h", 80), None),
    ("http://h/é", None, net(Protocol.HTTP, "é", "h", 80)),
    ("ftp://h/a?b", net(Protocol.FTP, "a", "h", 21), None),
    ("gluster://h//v//a", None, net(Protocol.GLUSTER, "v/a", "h", 24007)),
    ("gluster://h/v//a", net(Protocol.GLUSTER, "v//a", "h", 24007), net(Protocol.GLUSTER, "v/a", "h", 24007)),
    ("gluster:///v/a", None, net(Protocol.GLUSTER, "v/a", "localhost", 24007)),
    ("gluster://h/v/a?x=y", net(Protocol.GLUSTER, "v/a", "h", 24007), None),
    ("iscsi://h/t", net(Protocol.ISCSI, "t/0", "h", 3260), None),
    ("tftp://h/a", net(Protocol.TFTP, "a", "h", 69), None),
    ("sheepdog://h/a", net(Protocol.SHEEPDOG, "a", "h", 7000), None),
    ("vxhs://h/a", net(Protocol.VXHS, "a", "h", 9999), None),
    ("rbd://h/p/i", net(Protocol.RBD, "p/i", "h"), None),
    ("rbd:image", NetworkLocation(Protocol.RBD, "image"), None),
    ("rbd:p/a\\:b", NetworkLocation(Protocol.RBD, "p/a\\"), NetworkLocation(Protocol.RBD, "p/a:b")),
    ("rbd:p/i:x", NetworkLocation(Protocol.RBD, "p/i"), None),
    ("rbd:p/i:", NetworkLocation(Protocol.RBD, "p/i"), None),
    ("rbd:p/i:id=a", NetworkLocation(Protocol.RBD, "p/i"), NetworkLocation(Protocol.RBD, "p/i", (), RbdOptions("a"))),
    ("rbd:p/i:id=a:id=b", None, NetworkLocation(Protocol.RBD, "p/i", (), RbdOptions("b"))),
    (
        "rbd:p/i:x=@y",
        NetworkLocation(Protocol.RBD, "p/i"),
        NetworkLocation(Protocol.RBD, "p/i:x=", snapshot="y"),
    ),
    # librados reads its own options; QEMU only passes them on.
    ("rbd:p/i:mon_host=a\\:x", None, NetworkLocation(Protocol.RBD, "p/i")),
    ("nbd:h:1:exportname=", net(Protocol.NBD, None, "h", 1), None),
]


@pytest.mark.parametrize(("text", "libvirt", "qemu"), DIFFERENT, ids=[row[0] for row in DIFFERENT])
def test_the_readings_differ_where_the_programs_do(text: str, libvirt: Location | None, qemu: Location | None) -> None:
    readings: list[tuple[Dialect, Location | None]] = [("libvirt", libvirt), ("qemu", qemu)]
    for dialect, expected in readings:
        if expected is None:
            with pytest.raises(ReferenceSyntaxError):
                parse_reference(text, dialect)
        else:
            assert parse_reference(text, dialect).location == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "a\0b",
            "/a\0b",
            "x:",
            ":x",
            "://",
            "a://b",
            "NBD://h/x",
            "HTTP://h/x",
            "x" * 65537,
            "http:/h/x",
            "1a://h/x",
        ),
        *(
            "nbd:",
            "nbd::1",
            "nbd:h",
            "nbd:h:",
            "nbd:h:x",
            "nbd:h:65536",
            "nbd:h:-1",
            "nbd:h:1/x",
            "nbd:[::1",
            "nbd:[]:1",
        ),
        *("nbd:h:٣", "nbd:unix:", "nbd:unix::exportname=x", "nbd:exportname=x", "nbd:h:1,ipv4"),
        *(
            "nbd://",
            "nbd:///x",
            "nbd://h:x/a",
            "nbd://h:65536/a",
            "nbd://h:/a",
            "nbd://[::1/a",
            "nbd://[::1]x/a",
            "nbd://h/%",
        ),
        *(
            "nbd://h/%zz",
            "nbd://h/a b",
            "nbd://h/a%00b",
            "nbd://h/<",
            "nbd://u\\@h/a",
            "nbd://h%/a",
            "nbd+unix:///x",
            "nbd+:/",
        ),
        *("nbd+foo://h/x", "nbd+unix:///x?socket=", "iscsi://h/", "iscsi://h/t/x", "iscsi://h/t/1/2", "iscsi://h//1"),
        *(
            "gluster://h/v",
            "gluster://h/v/",
            "gluster://h//",
            "ssh://h:99999/x",
            "http://h/a b",
            "http://[h/a",
            "ssh:h/x",
        ),
        *("rbd:", "rbd:/i", "rbd:p/", "rbd:@s", "sheepdog:x", "sheepdog:h:7000:x"),
        *(
            "fat:",
            "file:",
            "iscsi:x",
            "null-co://",
            "blkdebug::x",
            "iser://h/t/1",
            "nvme://0000:44:00.0/0",
            "nvme://x/1",
        ),
        *("nvme://0000:44:20.0/1", "nvme://0000:44:00.8/1", "nvme://0000:44:00.0/1x", "nvme://0000:44:00.0"),
    ],
)
def test_what_neither_program_can_open_is_a_syntax_error(text: str) -> None:
    for dialect in BOTH:
        with pytest.raises(ReferenceSyntaxError):
            parse_reference(text, dialect)


@pytest.mark.parametrize(
    ("text", "dialect", "driver"),
    [
        ("file:/a", "libvirt", "file"),
        ("nvme://0000:44:00.0/1", "libvirt", "nvme"),
        ("null-co://", "libvirt", "null-co"),
        ("blkdebug::a", "qemu", "blkdebug"),
        ("iser://h/t/1", "qemu", "iser"),
        ("tftp://h/a", "qemu", "tftp"),
        ("sheepdog:a", "libvirt", "sheepdog"),
        ("http://h/a%2fb", "qemu", "http"),
    ],
)
def test_what_only_others_understand_is_told_from_nonsense(text: str, dialect: Dialect, driver: str) -> None:
    with pytest.raises(UnsupportedReference) as caught:
        parse_reference(text, dialect)
    assert caught.value.driver == driver


def test_web_queries_are_kept_as_written() -> None:
    for dialect in BOTH:
        location = parse_reference("https://h/a?x=%20&y#f", dialect).location
        assert isinstance(location, NetworkLocation)
        assert location.options == HttpOptions(query="x=%20&y")


def test_qemu_reads_ssh_parameters_and_user() -> None:
    found = parse_reference("ssh://root@h:23/a?host_key_check=no", "qemu")
    assert found.user == "root"
    assert not found.unfollowed
    assert found.location == NetworkLocation(
        Protocol.SSH, "/a", (NetworkHost("h", 23),), SshOptions(username="root", check_host_key=False)
    )
    kept = parse_reference("ssh://h/a?host_key_check=sha1:00&x=y", "qemu")
    assert kept.unknown == (("file.host_key_check", "sha1:00"),)


def test_options_that_the_model_lacks_are_kept() -> None:
    assert parse_reference("nfs://h/a?debug=2&tcp-syncnt=3", "qemu").unknown == (
        ("file.debug", 2),
        ("file.tcp-syn-count", 3),
    )
    assert parse_reference("fat:floppy:12:/a", "qemu").unknown == (("file.fat-type", 12), ("file.floppy", True))
    assert parse_reference("rbd:p/i:a=b:mon_host=[v2\\:h\\:1/0]", "qemu").unknown == (
        ("file.=keyvalue-pairs", '["a", "b", "mon_host", "[v2:h:1/0]"]'),
    )


@pytest.mark.parametrize("text", ["nfs://h/a?uid=x", "nfs://h/a?foo=1", "nfs://h/a?uid=", "nfs://h"])
def test_qemu_refuses_nfs_parameters_it_does_not_know(text: str) -> None:
    with pytest.raises(ReferenceSyntaxError):
        parse_reference(text, "qemu")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("rbd:p/n/i", "p/n/i"),
        ("rbd:p/n/i/j", "p/n/i/j"),
        ("rbd:p\\@q/i", "p@q/i"),
    ],
)
def test_qemu_reads_rbd_namespaces_and_escapes(text: str, name: str) -> None:
    location = parse_reference(text, "qemu").location
    assert isinstance(location, NetworkLocation)
    assert location.name == name


@pytest.mark.parametrize("text", ["rbd:p\\/q/i", "rbd:p/i\\/j"])
def test_an_rbd_name_with_a_slash_of_its_own_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedReference):
        parse_reference(text, "qemu")
