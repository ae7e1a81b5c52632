"""What the tests of backing strings are fed with: locations of every kind, and texts that are nearly references."""

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

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
from diskchain.storage.reference.value import Scalar
from diskchain.storage.slice import Slice
from diskchain.storage.source import Source
from diskchain.storage.terms import DEFAULT_PORTS, Format, Protocol, Transport

#: Surrogate escapes, which stand for bytes that are no UTF-8.
_BYTES = st.integers(0xDC80, 0xDCFF).map(chr)


def names(exclude: str = "", *, raw_bytes: bool = False) -> st.SearchStrategy[str]:
    """Names of at least one character, rich in what syntaxes cut at."""
    usual = st.characters(exclude_characters="\0" + exclude, exclude_categories=["Cs"])
    sharp = st.sampled_from([c for c in "/:@?#%\\;,='\"{}[] é" if c not in exclude])
    text = st.text(st.one_of(usual, sharp, *((_BYTES,) if raw_bytes else ())), min_size=1, max_size=12)
    # As a header gives it: escaped bytes that happen to be UTF-8 are characters.
    return text.map(lambda name: name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape"))


_T = TypeVar("_T")


def built(
    kind: Callable[..., _T], *parts: st.SearchStrategy[Any], **named: st.SearchStrategy[Any]
) -> st.SearchStrategy[_T]:
    """`st.builds`, which fills in the fields of a NamedTuple that have defaults, where this leaves them alone."""
    return st.tuples(st.tuples(*parts), st.fixed_dictionaries(named)).map(lambda given: kind(*given[0], **given[1]))


hosts = st.sampled_from(["h", "a.example", "10.0.0.1", "::1", "fe80::1%eth0", "höst", "under_score"])
ports = st.integers(1, 65535)


def tcp(protocol: Protocol) -> st.SearchStrategy[NetworkHost]:
    """Hosts as parsers leave them: the default port filled in."""
    return built(NetworkHost, hosts, st.one_of(ports, st.just(DEFAULT_PORTS.get(protocol, 1))))


sockets = names().map(lambda path: NetworkHost(None, None, path, Transport.UNIX))

_seconds = st.integers(1, 1 << 30)
_queries = st.text("abc=&;%20/?:@", max_size=8).filter(lambda q: "%" not in q.replace("%20", ""))
_cookies = built(
    Cookie,
    names(exclude=";=").filter(lambda name: not name[0].isspace()),
    st.text(st.characters(exclude_characters="\0;", exclude_categories=["Cs"]), max_size=5),
)


@st.composite
def http(draw: st.DrawFn) -> NetworkLocation:
    """http, https, ftp and ftps; names as parsers leave them, one leading slash gone."""
    protocol = draw(st.sampled_from([Protocol.HTTP, Protocol.HTTPS, Protocol.FTP, Protocol.FTPS]))
    name = draw(st.one_of(st.none(), names(raw_bytes=True)))
    if name is not None and name.startswith("/") and not name.startswith("//"):
        name = name[1:] or None
    web = protocol in (Protocol.HTTP, Protocol.HTTPS)
    options = HttpOptions(
        query=draw(st.one_of(st.none(), _queries)) if web else None,
        ssl_verify=draw(st.sampled_from([None, True, False])),
        cookies=tuple(draw(st.lists(_cookies, max_size=2))) if web else (),
        readahead=draw(st.one_of(st.none(), _seconds)),
        timeout=draw(st.one_of(st.none(), _seconds)),
    )
    host = draw(tcp(protocol).filter(lambda host: (host.name or "").isascii() and "%" not in (host.name or "")))
    return NetworkLocation(protocol, name, (host,), options if options != HttpOptions() else None)


nbd = built(
    NetworkLocation,
    st.just(Protocol.NBD),
    st.one_of(st.none(), names()),
    st.one_of(tcp(Protocol.NBD), sockets).map(lambda host: (host,)),
    st.one_of(st.none(), built(NbdOptions, _seconds)),
)
iscsi = built(
    NetworkLocation,
    st.just(Protocol.ISCSI),
    st.builds("{}/{}".format, names(exclude="/"), st.integers(0, 255)),
    tcp(Protocol.ISCSI).map(lambda host: (host,)),
    st.one_of(st.none(), built(IscsiOptions, names())),
)
gluster = built(
    NetworkLocation,
    st.just(Protocol.GLUSTER),
    st.builds("{}/{}".format, names(exclude="/"), names()),
    st.lists(st.one_of(tcp(Protocol.GLUSTER), sockets), min_size=1, max_size=3).map(tuple),
)
rbd = built(
    NetworkLocation,
    st.just(Protocol.RBD),
    st.lists(names(exclude="/"), min_size=2, max_size=3).map("/".join),
    st.lists(built(NetworkHost, hosts.filter(str.isascii), st.one_of(st.none(), ports)), max_size=3).map(tuple),
    st.one_of(st.none(), built(RbdOptions, names())),
    snapshot=st.one_of(st.none(), names()),
    config_file=st.one_of(st.none(), names()),
)
ssh = built(
    NetworkLocation,
    st.just(Protocol.SSH),
    names(),
    tcp(Protocol.SSH).map(lambda host: (host,)),
    st.sampled_from([None, SshOptions(username="root"), SshOptions(check_host_key=False)]),
)
_ids = st.one_of(st.none(), st.integers(0, 1 << 16).map("+{}".format))
nfs = built(
    NetworkLocation,
    st.just(Protocol.NFS),
    names(),
    hosts.map(lambda name: (NetworkHost(name),)),
    built(NfsOptions, _ids, _ids).map(lambda options: None if options == NfsOptions() else options),
)
vxhs = built(NetworkLocation, st.just(Protocol.VXHS), names(), tcp(Protocol.VXHS).map(lambda host: (host,)))
sheepdog = built(
    NetworkLocation,
    st.just(Protocol.SHEEPDOG),
    names(),
    st.one_of(tcp(Protocol.SHEEPDOG), sockets).map(lambda host: (host,)),
)
nvme = built(
    NvmeLocation,
    built(PciAddress, st.integers(0, 0xFFFF), st.integers(0, 0xFF), st.integers(0, 0x1F), st.integers(0, 7)),
    st.integers(1, 1 << 20),
)
paths = names(raw_bytes=True)
absolute_paths = names().map("/{}".format)

#: What both dialects, QEMU's and libvirt's, have a driver for.
network: st.SearchStrategy[Location] = st.one_of(http(), nbd, iscsi, gluster, rbd, ssh, nfs)
locations: st.SearchStrategy[Location] = st.one_of(
    built(FileLocation, paths), built(BlockLocation, paths), built(DirLocation, paths), network, nvme
)
slices = built(Slice, st.integers(0, 1 << 60), st.integers(0, 1 << 60))


@st.composite
def sources(draw: st.DrawFn) -> Source:
    """Layers that a backing string can name."""
    window = draw(st.one_of(st.none(), slices))
    if window is not None:
        local = st.one_of(built(FileLocation, absolute_paths), built(BlockLocation, absolute_paths))
        return Source(draw(st.one_of(local, network, nvme)), slice=window)
    location = draw(locations)
    fat = isinstance(location, DirLocation) and draw(st.booleans())
    return Source(location, Format.FAT if fat else None)


_keys = st.lists(st.text("abc-", min_size=1, max_size=4).map("x-{}".format), min_size=1, max_size=3).map(".".join)
_plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 70), 1 << 70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_characters="\0:", exclude_categories=["Cs"]), max_size=8),
)


@st.composite
def unknown_keys(draw: st.DrawFn) -> tuple[tuple[str, Scalar], ...]:
    """Keys that mean nothing to anybody, above and beside the protocol's; none leads through another."""
    values = draw(st.dictionaries(st.builds("{}{}".format, st.sampled_from(["", "file."]), _keys), _plain, max_size=4))
    clear = {
        key: value
        for key, value in values.items()
        if not any(other != key and other.startswith(f"{key}.") for other in values)
    }
    return tuple(clear.items())


_PIECES = (
    *(
        "json:",
        "nbd:",
        "rbd:",
        "fat:",
        "file:",
        "unix:",
        "://",
        "http",
        "https",
        "nbd+unix",
        "gluster",
        "iscsi",
        "ssh",
        "nfs",
    ),
    *(
        ":",
        "/",
        "@",
        "?",
        "#",
        "%",
        "%2f",
        "%00",
        "\\",
        "\\:",
        ";",
        "&",
        "=",
        "[",
        "]",
        "[::1]",
        "socket=",
        ":exportname=",
    ),
    *(
        "mon_host=",
        "id=",
        "key=",
        "conf=",
        "user",
        "pw",
        "host",
        ":10809",
        "0",
        "65536",
        "nvme",
        "0000:01:00.0",
        "é",
        "\udc80",
    ),
)
_JSON_PIECES = (
    *(
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"',
        "'",
        "\\",
        "\\u0000",
        "\\ud800",
        "1e999",
        "NaN",
        "true",
        "null",
        "-1",
        "0",
        "64k",
    ),
    *(
        '"driver":',
        '"file":',
        '"raw"',
        '"nbd"',
        '"rbd"',
        '"https"',
        '"qcow2"',
        '"server":',
        '"server.0.host":',
        '"type":"unix"',
    ),
    *(
        '"path":"/x"',
        '"filename":"/x"',
        '"url":"https://h/x"',
        '"offset":',
        '"size":',
        '"password":"pw"',
        '"file.driver":',
        "{}",
    ),
)
#: Texts that look like references, nearly.
nearly_references = st.one_of(
    st.text(max_size=40),
    st.lists(st.sampled_from(_PIECES), max_size=12).map("".join),
    st.lists(st.sampled_from(_JSON_PIECES), max_size=20).map(lambda parts: "json:" + "".join(parts)),
)
