"""Chains of every kind, as libvirt's XML can say them: the same value must come back from what is written."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from hypothesis import strategies as st

from diskchain.storage.auth import Auth, AuthType, SecretReference
from diskchain.storage.encryption import Cipher, Encryption, EncryptionEngine, EncryptionFormat, InitVector
from diskchain.storage.location import (
    BlockLocation,
    DirLocation,
    FileLocation,
    Location,
    NetworkHost,
    NetworkLocation,
    NvmeLocation,
    PciAddress,
    VhostUserLocation,
    VhostVdpaLocation,
    VolumeLocation,
)
from diskchain.storage.protocol_options import Cookie, HttpOptions, IscsiOptions, NbdOptions, NfsOptions, SshOptions
from diskchain.storage.runtime import Nbdkit, QemuObjects, Runtime
from diskchain.storage.seclabel import SecLabel
from diskchain.storage.slice import Slice
from diskchain.storage.source import TERMINATOR, UNKNOWN, Reservations, Source
from diskchain.storage.terms import Format, Protocol, StorageType, Transport, VolumeMode

_T = TypeVar("_T")

UINT = st.integers(0, 0xFFFF_FFFF)
COUNT = st.integers(1, 0xFFFF_FFFF)
ULLONG = st.integers(0, 0xFFFF_FFFF_FFFF_FFFF)
BOOLS = st.sampled_from([None, None, True, False])

#: Text that XML can hold, rich in what XML has to escape.
TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"),
        st.sampled_from("<>&\"' \t\n\r/é"),
    ),
    min_size=1,
    max_size=10,
)
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABC012_-.", min_size=1, max_size=8)
PATHS = TEXT.map(lambda text: f"/{text}")
UUIDS = st.uuids().map(str)
FORMATS = st.sampled_from([format for format in Format if format is not Format.LUKS])


def built(kind: Callable[..., _T], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[_T]:
    """`st.builds` without its guesses for fields that have defaults."""
    return st.fixed_dictionaries(fields).map(lambda given: kind(**given))


def maybe(strategy: st.SearchStrategy[_T]) -> st.SearchStrategy[_T | None]:
    """Mostly nothing, so that documents stay readable."""
    return st.one_of(st.none(), st.none(), strategy)


def members(kind: Iterable[_T]) -> st.SearchStrategy[_T | None]:
    return maybe(st.sampled_from(list(kind)))


def said(options: Any) -> Any:
    """Options that say nothing are no options."""
    return None if options == type(options)() else options


# ------------------------------------------------------------------------------------------------------------ secrets

SECRETS = st.one_of(built(SecretReference, uuid=UUIDS), built(SecretReference, usage=TEXT))
AUTHS = st.builds(
    lambda name, secret, kind, type: Auth(name, replace(secret, usage_type=kind), type),
    TEXT,
    SECRETS,
    maybe(st.sampled_from(["ceph", "iscsi"])),
    members([AuthType.CHAP, AuthType.CEPH]),
)
_PASSPHRASES = SECRETS.map(lambda secret: replace(secret, usage_type="passphrase"))


@st.composite
def encryptions(draw: st.DrawFn) -> Encryption:
    format = draw(st.sampled_from(EncryptionFormat))
    secrets = tuple(draw(st.lists(_PASSPHRASES, max_size=2)))
    cipher, ivgen = None, None
    if format is EncryptionFormat.LUKS:
        cipher = draw(maybe(built(Cipher, name=NAMES, size=UINT, mode=maybe(NAMES), hash=maybe(NAMES))))
        ivgen = None if cipher is None else draw(maybe(built(InitVector, name=NAMES, hash=maybe(NAMES))))
    return Encryption(format, secrets, draw(members(EncryptionEngine)), cipher, ivgen)


@st.composite
def seclabels(draw: st.DrawFn) -> tuple[SecLabel, ...]:
    labels = []
    for model in draw(st.lists(st.sampled_from(["dac", "selinux", "apparmor"]), unique=True, max_size=2)):
        if draw(st.booleans()):
            labels.append(SecLabel(model, draw(TEXT), relabel=True))
        else:
            labels.append(SecLabel(model, relabel=False))
    return tuple(labels)


# ---------------------------------------------------------------------------------------------------------- locations

HOSTS = st.one_of(
    built(NetworkHost, name=NAMES, port=maybe(st.integers(1, 65535))),
    built(NetworkHost, name=NAMES, port=maybe(st.integers(1, 65535)), transport=st.just(Transport.RDMA)),
    built(NetworkHost, socket=PATHS, transport=st.just(Transport.UNIX)),
)
TCP_HOSTS = built(NetworkHost, name=NAMES, port=maybe(st.integers(1, 65535)))
_COOKIES = st.lists(
    st.builds(Cookie, st.text("abcXYZ019", min_size=1, max_size=5), st.sampled_from(["x", '"quoted"', "a=b&c"])),
    max_size=2,
    unique_by=lambda cookie: cookie.name,
).map(tuple)
_CURL = {Protocol.HTTP, Protocol.HTTPS, Protocol.FTP, Protocol.FTPS}


def _options(protocol: Protocol) -> st.SearchStrategy[Any]:
    if protocol in _CURL:
        web = protocol in {Protocol.HTTP, Protocol.HTTPS}
        tls = protocol in {Protocol.HTTPS, Protocol.FTPS}
        return built(
            HttpOptions,
            query=maybe(TEXT) if web else st.none(),
            ssl_verify=BOOLS if tls else st.none(),
            cookies=_COOKIES if web else st.just(()),
            readahead=maybe(st.integers(1, 2**64 - 1)),
            timeout=maybe(st.integers(1, 2**64 - 1)),
        ).map(said)
    if protocol is Protocol.NBD:
        return built(NbdOptions, reconnect_delay=maybe(COUNT), tls_hostname=maybe(NAMES)).map(said)
    if protocol is Protocol.SSH:
        identity = built(SshOptions, username=TEXT, keyfile=PATHS, agentsock=maybe(PATHS), known_hosts=maybe(PATHS))
        return st.one_of(built(SshOptions, known_hosts=maybe(PATHS)), identity).map(said)
    if protocol is Protocol.NFS:
        return built(NfsOptions, user=maybe(TEXT), group=maybe(TEXT)).map(said)
    if protocol is Protocol.ISCSI:
        return built(IscsiOptions, initiator=maybe(TEXT)).map(said)
    return st.none()


@st.composite
def network_locations(draw: st.DrawFn) -> NetworkLocation:
    protocol = draw(st.sampled_from(Protocol))
    name: str | None = draw(TEXT)
    if protocol in {Protocol.RBD, Protocol.GLUSTER}:
        name = f"{draw(NAMES)}/{name}"
    elif protocol is Protocol.NBD:
        name = draw(maybe(TEXT))
    return NetworkLocation(
        protocol,
        name,
        tuple(draw(st.lists(HOSTS, max_size=3))),
        draw(_options(protocol)),
        draw(BOOLS),
        draw(maybe(TEXT)),
        draw(maybe(PATHS)),
    )


PCI_ADDRESSES = built(
    PciAddress,
    domain=st.integers(0, 0xFFFF),
    bus=st.integers(0, 0xFF),
    slot=st.integers(0, 0x1F),
    function=st.integers(0, 7),
)
_VHOST_USERS = st.builds(
    lambda path, reconnect, timeout: VhostUserLocation(path, reconnect, timeout if reconnect else None),
    PATHS,
    BOOLS,
    UINT,
)
LOCATIONS: dict[StorageType, st.SearchStrategy[Location]] = {
    StorageType.FILE: built(FileLocation, path=PATHS, fdgroup=maybe(NAMES)),
    StorageType.BLOCK: built(BlockLocation, path=PATHS),
    StorageType.DIR: built(DirLocation, path=PATHS),
    StorageType.NETWORK: network_locations(),
    StorageType.VOLUME: built(VolumeLocation, pool=TEXT, volume=TEXT, mode=members(VolumeMode)),
    StorageType.NVME: built(NvmeLocation, address=PCI_ADDRESSES, namespace=ULLONG, managed=BOOLS),
    StorageType.VHOSTUSER: _VHOST_USERS,
    StorageType.VHOSTVDPA: built(VhostVdpaLocation, path=PATHS),
}

# ------------------------------------------------------------------------------------------------------------- chains

_OBJECTS = built(
    QemuObjects,
    auth=maybe(NAMES),
    encryption=st.lists(NAMES, max_size=2).map(tuple),
    http_cookie=maybe(NAMES),
    tls_key=maybe(NAMES),
    tls_credentials=maybe(NAMES),
    reservations=maybe(NAMES),
)
RUNTIMES = built(
    Runtime,
    storage_node=maybe(NAMES),
    format_node=maybe(NAMES),
    slice_node=maybe(NAMES),
    relative=maybe(TEXT),
    objects=_OBJECTS,
    fdset=maybe(UINT),
    threshold_by_index=st.booleans(),
    nbdkit=maybe(built(Nbdkit, pidfile=PATHS, socket=PATHS)),
).map(said)
_RESERVATIONS = st.one_of(
    built(Reservations, managed=st.sampled_from([True]), socket=maybe(PATHS)),
    built(Reservations, managed=st.sampled_from([False]), socket=PATHS),
)
_SLICES = built(Slice, offset=ULLONG, size=ULLONG)


@st.composite
def layers_of(draw: st.DrawFn, location: Location, *, live: bool = False, status: bool = False) -> dict[str, Any]:
    """What any layer can have besides its format and backing."""
    index = maybe(COUNT) if live else st.none()
    actual = location.actual if isinstance(location, VolumeLocation) else None
    return {
        "location": location,
        "encryption": draw(maybe(encryptions())),
        "auth": None if isinstance(location, VolumeLocation) else draw(maybe(AUTHS)),
        "seclabels": () if isinstance(actual or location, NetworkLocation) else draw(seclabels()),
        "slice": draw(maybe(_SLICES)),
        "reservations": draw(maybe(_RESERVATIONS)),
        "chain_index": draw(index),
        "runtime": draw(maybe(RUNTIMES)) if status else None,
    }


@st.composite
def sources(
    draw: st.DrawFn,
    types: Iterable[StorageType] = tuple(StorageType),
    *,
    live: bool = False,
    status: bool = False,
    top: bool = True,
    depth: int = 3,
) -> Source:
    """A chain. Layers below the top are read-only and have a format, because a document cannot say anything else."""
    location = draw(st.sampled_from(list(types)).flatmap(LOCATIONS.__getitem__))
    if top and isinstance(location, FileLocation) and draw(st.integers(0, 4)) == 0:
        location = FileLocation(None)  # an empty drive; below the top, libvirt could not read it back
    if status and isinstance(location, VolumeLocation):
        kinds = [StorageType.FILE, StorageType.BLOCK, StorageType.NETWORK]
        location = location._replace(actual=draw(maybe(st.sampled_from(kinds).flatmap(LOCATIONS.__getitem__))))
    parts = draw(layers_of(location, live=live, status=status))
    backing: Any = draw(st.sampled_from([UNKNOWN, UNKNOWN, TERMINATOR]))
    if depth and draw(st.booleans()):
        backing = draw(sources(live=live, status=status, top=False, depth=depth - 1))
    data_file = None
    if draw(st.integers(0, 4)) == 0:
        where = draw(st.one_of(LOCATIONS[StorageType.FILE], LOCATIONS[StorageType.BLOCK]))
        data_file = Source(where, Format.RAW, readonly=not top, chain_index=draw(maybe(COUNT)) if live else None)
    return Source(
        format=draw(maybe(FORMATS)) if top else draw(FORMATS),
        backing=backing,
        data_file=data_file,
        metadata_cache=draw(maybe(st.integers(1, 2**64 - 1))),
        readonly=draw(st.booleans()) if top else True,
        shared=draw(st.booleans()) if top else False,
        **parts,
    )
