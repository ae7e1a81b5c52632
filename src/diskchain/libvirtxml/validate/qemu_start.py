"""Rules for one layer, for QEMU: what libvirt takes when a domain is defined, and refuses when it starts.

Source: libvirt 11.3.0 ``qemu/qemu_block.c`` (``qemuBlockStorageSourceGetBackendProps`` and below),
``qemu/qemu_domain.c`` (``qemuDomainPrepareStorageSourceTLS``).
"""

from collections.abc import Iterator

from diskchain.behaviours import statement
from diskchain.libvirtxml.validate.rule import Problem, Rules, SourceCheck, words
from diskchain.storage.location import NetworkLocation, without_brackets
from diskchain.storage.source import Source
from diskchain.storage.terms import Protocol, Transport

RULES: Rules[SourceCheck] = Rules()

_WITH_TLS = (Protocol.NBD, Protocol.VXHS)
_ONE_HOST = frozenset(
    {
        Protocol.NBD,
        Protocol.SSH,
        Protocol.VXHS,
        Protocol.HTTP,
        Protocol.HTTPS,
        Protocol.FTP,
        Protocol.FTPS,
    }
)
_TWO_PARTS = frozenset({Protocol.RBD, Protocol.GLUSTER})
_LOST = (
    "libvirt (9.0, 11.3) starts the domain, writes its definition down without the name, and no longer knows the domain after the next "
    "start of its daemon"
)
_OF_EMPTY_NAMES = {
    Protocol.ISCSI: "libvirt's daemon (9.0, 11.3) crashes when it reads that",
    Protocol.SSH: "libvirt (9.0, 11.3) defines the domain, does not start it, and no longer knows it after the next start of its daemon",
    Protocol.NFS: "QEMU needs a path, and libvirt (9.0, 11.3) no longer knows the domain after the next start of its daemon",
}
_SOME_HOST = frozenset({Protocol.GLUSTER, Protocol.ISCSI})


@RULES.rule("encryption-secret")
def _secret(source: Source) -> Iterator[Problem]:
    if source.encryption is not None and not source.encryption.secrets:
        yield Problem("nobody can decrypt this: <encryption> names no secret", "source/encryption")


@RULES.rule("tls-protocol")
def _tls(source: Source) -> Iterator[Problem]:
    location = source.location
    if isinstance(location, NetworkLocation) and location.tls and location.protocol not in _WITH_TLS:
        yield Problem(f"tls='yes' is not for {location.protocol}", "source", words(*_WITH_TLS))


@RULES.rule("network-name-empty")
def _name(source: Source) -> Iterator[Problem]:
    location = source.location
    if not isinstance(location, NetworkLocation) or location.name is None:
        return
    protocol, name = location.protocol, location.name
    if not name and protocol is not Protocol.NBD:
        yield Problem(f"the name is empty: {_OF_EMPTY_NAMES.get(protocol, _LOST)}", "source")
    elif protocol in _TWO_PARTS and name.endswith("/") and name.count("/") == 1:
        yield Problem(f"{name} names no image: libvirt (9.0, 11.3) refuses to start the domain", "source")


@RULES.rule("host-brackets")
def _brackets(source: Source) -> Iterator[Problem]:
    location = source.location
    if not isinstance(location, NetworkLocation) or location.protocol is Protocol.ISCSI:
        return
    for number, host in enumerate(location.hosts, start=1):
        if host != without_brackets(host):
            bare = without_brackets(host).name or ""
            yield Problem(
                f"QEMU looks for a host called {host.name}, brackets included", f"source/host[{number}]", (bare,)
            )


@RULES.rule("hosts")
def _hosts(source: Source) -> Iterator[Problem]:
    location = source.location
    if not isinstance(location, NetworkLocation):
        return
    number = len(location.hosts)
    if location.protocol in _ONE_HOST and number != 1:
        yield Problem(f"{location.protocol} needs exactly one host, not {number}", "source")
    elif location.protocol in _SOME_HOST and not number:
        yield Problem(f"{location.protocol} needs a host", "source")


@RULES.rule("hosts-ignored")
def _ignored(source: Source) -> Iterator[Problem]:
    location = source.location
    if isinstance(location, NetworkLocation) and location.protocol is Protocol.ISCSI and len(location.hosts) > 1:
        yield Problem(f"iscsi is reached through one host: {statement('hosts-ignored')}", "source/host[2]")


@RULES.rule("host-transport")
def _transport(source: Source) -> Iterator[Problem]:
    location = source.location
    if not isinstance(location, NetworkLocation):
        return
    for number, host in enumerate(location.hosts, start=1):
        if host.transport is Transport.RDMA:
            yield Problem("QEMU has dropped rdma", f"source/host[{number}]", ("tcp", "unix"))
        elif host.transport is Transport.UNIX and location.protocol is Protocol.ISCSI:
            yield Problem("iscsi is reached over tcp", f"source/host[{number}]", ("tcp",))


@RULES.rule("iscsi-lun")
def _lun(source: Source) -> Iterator[Problem]:
    location = source.location
    if not isinstance(location, NetworkLocation) or location.protocol is not Protocol.ISCSI or location.name is None:
        return
    _, slash, lun = location.name.partition("/")
    if slash and not (lun.isascii() and lun.isdigit()):
        yield Problem(f"the name of an iscsi source ends in the number of a LUN, not in {lun!r}", "source")
