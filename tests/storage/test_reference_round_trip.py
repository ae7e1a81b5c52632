"""What is written as a backing string is read back as the same thing, whatever the source."""

import json

import pytest
from hypothesis import assume, given
from tests.storage.strategies import nearly_references, sources, unknown_keys
from tests.values import same

from diskchain.errors import ReferenceSyntaxError, UsageError
from diskchain.storage.location import (
    BlockLocation,
    DirLocation,
    FileLocation,
    Location,
    NetworkHost,
    NetworkLocation,
    VhostUserLocation,
    VolumeLocation,
)
from diskchain.storage.protocol_options import HttpOptions, NbdOptions, NfsOptions, RbdOptions, SshOptions
from diskchain.storage.reference import format_reference, parse_reference
from diskchain.storage.reference.value import Dialect, Reference, Scalar, is_file_name
from diskchain.storage.slice import Slice
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Protocol, Transport


def as_held(source: Source, unknown: tuple[tuple[str, Scalar], ...]) -> Location:
    """What a string can hold of a location: of a path, not what is there; and no file name that is a protocol string."""
    location = source.location
    if source.slice is not None or unknown or (isinstance(location, DirLocation) and source.format is Format.FAT):
        return location
    if isinstance(location, FileLocation | BlockLocation | DirLocation) and location.path is not None:
        return FileLocation(location.path if is_file_name(location.path) else f"./{location.path}")
    return location


@given(sources(), unknown_keys())
def test_qemu_reads_back_what_was_written(source: Source, unknown: tuple[tuple[str, Scalar], ...]) -> None:
    try:
        text = format_reference(source, unknown)
    except UsageError:
        assert_that_no_string_can_say(source, unknown)
        return
    back = parse_reference(text, "qemu")
    assert same(back.location, as_held(source, unknown))
    assert same(back.slice, source.slice)
    assert dict(back.unknown) == dict(unknown)
    assert back.format in (None, Format.FAT)


def assert_that_no_string_can_say(source: Source, unknown: tuple[tuple[str, Scalar], ...]) -> None:
    location = source.location
    if isinstance(location, FileLocation | BlockLocation | DirLocation):
        # Bytes that are no UTF-8 cannot stand in JSON.
        assert not (location.path or "").isprintable() or (location.path or "").isascii() is False
    else:
        # An rbd monitor without a port can be written in rbd's own syntax only, which holds no window and no keys of QEMU's.
        assert isinstance(location, NetworkLocation)
        assert location.protocol is Protocol.RBD
        assert any(host.port is None for host in location.hosts)
        assert source.slice is not None or unknown


def written_anew(reference: Reference) -> str:
    return format_reference(reference.source(), reference.unknown)


@given(sources(), unknown_keys())
def test_libvirt_loses_nothing_of_what_was_written(source: Source, unknown: tuple[tuple[str, Scalar], ...]) -> None:
    """What libvirt does not read stays as unknown keys; but of two slashes that start a URL's path it drops one."""
    assume(not (isinstance(source.location, NetworkLocation) and (source.location.name or "").startswith("//")))
    try:
        text = format_reference(source, unknown)
        back = parse_reference(text, "libvirt")
    except (UsageError, ReferenceSyntaxError):
        return
    again = written_anew(back)
    if text.startswith("json:"):
        assert json.loads(again.removeprefix("json:")) == json.loads(text.removeprefix("json:"))
    elif text.startswith("rbd:"):
        # libvirt forgets the user, and resolves escapes in the list of monitors only.
        assert back.user is not None or "\\" in text or again == text
    else:
        assert again == text


@pytest.mark.parametrize("dialect", ["libvirt", "qemu"])
@given(text=nearly_references)
def test_what_is_read_and_written_again_reads_the_same(dialect: Dialect, text: str) -> None:
    try:
        first = parse_reference(text, dialect)
        again = written_anew(first)
        second = parse_reference(again, dialect)
    except (ReferenceSyntaxError, UsageError):
        return
    kept = first._replace(user=None, credentials=(), unfollowed=False, format=None)
    kept = kept._replace(location=as_held(first.source(), first.unknown))
    assert same(second._replace(user=None, credentials=(), unfollowed=False, format=None), kept)


@pytest.mark.parametrize("dialect", ["libvirt", "qemu"])
@given(text=nearly_references)
def test_the_source_of_a_reference_says_what_the_reference_says(dialect: Dialect, text: str) -> None:
    try:
        reference = parse_reference(text, dialect)
    except ReferenceSyntaxError:
        return
    source = reference.source()
    assert same(source, Source(reference.location, reference.format, slice=reference.slice))
    assert reference.source(Format.QCOW2).format is Format.QCOW2


_NBD = NetworkLocation(Protocol.NBD, "x", (NetworkHost("h", 1),))
_WEB = NetworkLocation(Protocol.HTTPS, "a", (NetworkHost("h", 443),))
_RBD = NetworkLocation(Protocol.RBD, "p/i")
_FAT = DirLocation("/srv")


@pytest.mark.parametrize(
    ("text", "libvirt", "qemu"),
    [
        ("/a/b", Source(FileLocation("/a/b")), Source(FileLocation("/a/b"))),
        ("b", Source(FileLocation("b")), Source(FileLocation("b"))),
        ("file:/a", None, Source(FileLocation("/a"))),
        ("nbd://h:1/x", Source(_NBD), Source(_NBD)),
        ("nbd:h:1:exportname=x", Source(_NBD), Source(_NBD)),
        ("https://h/a", Source(_WEB), Source(_WEB)),
        ("rbd:p/i", Source(_RBD), Source(_RBD)),
        ("rbd:p/i:id=me", Source(_RBD), Source(_RBD._replace(options=RbdOptions("me")))),
        ("fat:/srv", Source(_FAT, Format.FAT), Source(_FAT, Format.FAT)),
        ('json:{"driver":"nbd","host":"h","port":"1","export":"x"}', Source(_NBD), Source(_NBD, Format.RAW)),
        (
            'json:{"driver":"raw","offset":512,"size":512,"file":{"driver":"file","filename":"/a"}}',
            Source(FileLocation("/a"), slice=Slice(512, 512)),
            Source(FileLocation("/a"), Format.RAW, slice=Slice(512, 512)),
        ),
    ],
)
def test_every_syntax_names_a_source(text: str, libvirt: Source | None, qemu: Source) -> None:
    if libvirt is None:
        with pytest.raises(ReferenceSyntaxError):
            parse_reference(text, "libvirt")
    else:
        assert same(parse_reference(text, "libvirt").source(), libvirt)
    assert same(parse_reference(text, "qemu").source(), qemu)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (Source(FileLocation("/a/b")), "/a/b"),
        (Source(FileLocation("a:b")), "./a:b"),
        (Source(BlockLocation("/dev/vg/lv")), "/dev/vg/lv"),
        (Source(DirLocation("/srv/boot"), Format.FAT), "fat:/srv/boot"),
        (Source(DirLocation("/srv:boot"), Format.FAT), 'json:{"file":{"driver":"vvfat","dir":"/srv:boot"}}'),
        (Source(NetworkLocation(Protocol.NBD, "a b", (NetworkHost("h", 1),))), "nbd://h:1/a%20b"),
        (Source(NetworkLocation(Protocol.NBD, None, (NetworkHost("::1"),))), "nbd://[::1]"),
        (
            Source(NetworkLocation(Protocol.NBD, "x", (NetworkHost(socket="/s", transport=Transport.UNIX),))),
            'json:{"file":{"driver":"nbd","server":{"type":"unix","path":"/s"},"export":"x"}}',
        ),
        (
            Source(NetworkLocation(Protocol.HTTPS, "a/b", (NetworkHost("h", 443),), HttpOptions(query="x=y"))),
            "https://h:443/a/b?x=y",
        ),
        (
            Source(NetworkLocation(Protocol.HTTPS, "a", (NetworkHost("h", 443),), HttpOptions(ssl_verify=False))),
            'json:{"file":{"driver":"https","url":"https://h:443/a","sslverify":false}}',
        ),
        (
            Source(NetworkLocation(Protocol.RBD, "pool/image")),
            'json:{"file":{"driver":"rbd","pool":"pool","image":"image"}}',
        ),
        (
            Source(NetworkLocation(Protocol.RBD, "pool/image", (NetworkHost("a"), NetworkHost("::1", 3300)))),
            "rbd:pool/image:mon_host=a\\;[\\:\\:1]\\:3300",
        ),
        (
            Source(FileLocation("/a"), slice=Slice(512, 1024)),
            'json:{"file":{"driver":"raw","offset":512,"size":1024,"file":{"driver":"file","filename":"/a"}}}',
        ),
    ],
)
def test_the_shortest_form_that_says_it_is_taken(source: Source, text: str) -> None:
    assert format_reference(source) == text


@pytest.mark.parametrize(
    "source",
    [
        Source(FileLocation(None)),
        Source(FileLocation("")),
        Source(FileLocation("/a\0b")),
        Source(FileLocation("/a\0b"), slice=Slice(0, 1)),
        Source(FileLocation("a"), slice=Slice(0, 1)),
        Source(FileLocation("/\udc80"), slice=Slice(0, 1)),
        Source(VolumeLocation("pool", "volume")),
        Source(VhostUserLocation("/s")),
        Source(NetworkLocation(Protocol.NBD, "x")),
        Source(NetworkLocation(Protocol.NBD, "x", (NetworkHost("a"), NetworkHost("b")))),
        Source(NetworkLocation(Protocol.NBD, "x", (NetworkHost(transport=Transport.UNIX),))),
        Source(NetworkLocation(Protocol.GLUSTER, "volume", (NetworkHost("h"),))),
        Source(NetworkLocation(Protocol.GLUSTER, "volume/x")),
        Source(NetworkLocation(Protocol.ISCSI, "target/x", (NetworkHost("h"),))),
        Source(NetworkLocation(Protocol.SSH, None, (NetworkHost("h"),))),
        Source(NetworkLocation(Protocol.NFS, "/x", (NetworkHost("h", 2049),))),
        Source(NetworkLocation(Protocol.NFS, "/x", (NetworkHost("h"),), NfsOptions("root"))),
        Source(NetworkLocation(Protocol.HTTP, "x", (NetworkHost("höst"),))),
        Source(NetworkLocation(Protocol.HTTP, "\ud800", (NetworkHost("h"),))),
    ],
)
def test_what_no_string_can_say_is_refused(source: Source) -> None:
    with pytest.raises(UsageError):
        format_reference(source)


@pytest.mark.parametrize("unknown", [(("file.filename.x", 1),), (("file.driver.x", 1),)])
def test_an_unknown_key_cannot_go_through_a_value(unknown: tuple[tuple[str, Scalar], ...]) -> None:
    with pytest.raises(UsageError):
        format_reference(Source(FileLocation("/a")), unknown)


def test_what_needs_a_secret_or_a_key_file_is_left_out() -> None:
    options = SshOptions("/known", "root", "/key", None)
    text = format_reference(Source(NetworkLocation(Protocol.SSH, "/a", (NetworkHost("h"),), options)))
    assert text == 'json:{"file":{"driver":"ssh","path":"/a","server":{"host":"h","port":"22"},"user":"root"}}'
    nbd = NetworkLocation(Protocol.NBD, "a", (NetworkHost("h", 1),), NbdOptions(tls_hostname="h"), tls=True)
    assert format_reference(Source(nbd)) == "nbd://h:1/a"


def test_a_window_to_the_end_has_no_size() -> None:
    text = format_reference(Source(FileLocation("/a"), slice=Slice(512, 0)))
    assert '"size"' not in text
    assert parse_reference(text).slice == Slice(512, 0)
