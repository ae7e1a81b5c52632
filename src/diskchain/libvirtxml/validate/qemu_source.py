"""Rules for one layer, for QEMU: what libvirt refuses when a domain is defined.

Source: libvirt 11.3.0 ``qemu/qemu_domain.c`` (``qemuDomainValidateStorageSource``).
"""

from collections.abc import Iterator

from diskchain.libvirtxml.validate.rule import Problem, Rules, SourceCheck, format_word, words
from diskchain.storage.encryption import Encryption, EncryptionEngine, EncryptionFormat
from diskchain.storage.location import DirLocation, NetworkLocation, VolumeLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Protocol, Transport

RULES: Rules[SourceCheck] = Rules()

_UNSUPPORTED = {
    Format.COW: "QEMU has dropped the format cow",
    Format.ISO: "an ISO image is raw to QEMU",
    Format.DIR: "a directory is a source of type dir with format fat",
}
_INSTEAD = {Format.ISO: ("raw",), Format.DIR: ("fat",)}

_WEB = (Protocol.HTTP, Protocol.HTTPS)
_CURL = (*_WEB, Protocol.FTP, Protocol.FTPS)
_PROTOCOLS_OF = {
    "ssl_verify": (Protocol.HTTPS, Protocol.FTPS),
    "cookies": _WEB,
    "query": _WEB,
    "readahead": _CURL,
    "timeout": _CURL,
    "reconnect_delay": (Protocol.NBD,),
    "tls_hostname": (Protocol.NBD,),
}

_OLD_ENCRYPTION = frozenset({EncryptionFormat.DEFAULT, EncryptionFormat.QCOW})
_ENCRYPTED_FORMATS = (Format.RAW, Format.QCOW2)


@RULES.rule("format-unsupported")
def _format(source: Source) -> Iterator[Problem]:
    if source.format is not None and source.format in _UNSUPPORTED:
        yield Problem(_UNSUPPORTED[source.format], "format", _INSTEAD.get(source.format, ()))


@RULES.rule("fat-source")
def _fat(source: Source) -> Iterator[Problem]:
    if source.format is Format.FAT and not isinstance(source.location, (DirLocation, VolumeLocation)):
        yield Problem(f"fat is a way to show a directory, and this is a {source.location.type}", "format", ("dir",))


@RULES.rule("dir-format")
def _dir_format(source: Source) -> Iterator[Problem]:
    if isinstance(source.location, DirLocation) and source.format is not Format.FAT:
        yield Problem("a directory needs the format fat", "format", ("fat",))


@RULES.rule("dir-writable")
def _dir_writable(source: Source) -> Iterator[Problem]:
    if isinstance(source.location, DirLocation) and not source.readonly:
        yield Problem("QEMU cannot write a directory: the disk must be <readonly/>", "source")


@RULES.rule("protocol-option")
def _options(source: Source) -> Iterator[Problem]:
    location = source.location
    if not isinstance(location, NetworkLocation) or location.options is None:
        return
    for name, protocols in _PROTOCOLS_OF.items():
        if getattr(location.options, name, None) and location.protocol not in protocols:
            yield Problem(f"{location.protocol} has no {name.replace('_', ' ')}", "source", words(*protocols))


@RULES.rule("protocol-tftp")
def _tftp(source: Source) -> Iterator[Problem]:
    if isinstance(source.location, NetworkLocation) and source.location.protocol is Protocol.TFTP:
        yield Problem("QEMU has dropped the protocol tftp", "source", words(*_CURL))


@RULES.rule("nfs-host")
def _nfs(source: Source) -> Iterator[Problem]:
    location = source.location
    if not isinstance(location, NetworkLocation) or location.protocol is not Protocol.NFS:
        return
    if len(location.hosts) != 1:
        yield Problem(f"nfs needs exactly one host, not {len(location.hosts)}", "source")
    for number, host in enumerate(location.hosts, start=1):
        if host.transport is not Transport.TCP:
            yield Problem(f"nfs is reached over tcp, not over {host.transport}", f"source/host[{number}]", ("tcp",))
        elif host.port is not None:
            yield Problem("a host of nfs has no port", f"source/host[{number}]")


@RULES.rule("metadata-cache-format")
def _metadata_cache(source: Source) -> Iterator[Problem]:
    if source.metadata_cache is not None and source.format is not Format.QCOW2:
        yield Problem("<metadata_cache> is for qcow2", "format/metadata_cache", ("qcow2",))


@RULES.rule("encryption-legacy")
def _legacy(source: Source) -> Iterator[Problem]:
    if source.encryption is not None and source.encryption.format in _OLD_ENCRYPTION:
        yield Problem(
            f"encryption {source.encryption.format} is qcow2's old scheme, which QEMU has dropped",
            "source/encryption",
            ("luks",),
        )


def _by(source: Source, *engines: EncryptionEngine | None) -> Encryption | None:
    encryption = source.encryption
    if encryption is None or encryption.format in _OLD_ENCRYPTION or encryption.engine not in engines:
        return None
    return encryption


@RULES.rule("encryption-qemu")
def _by_qemu(source: Source) -> Iterator[Problem]:
    encryption = _by(source, EncryptionEngine.QEMU, None)
    if encryption is None:
        return
    if encryption.format is not EncryptionFormat.LUKS:
        yield Problem(f"QEMU itself decrypts luks, not {encryption.format}", "source/encryption", ("luks",))
    if source.format not in _ENCRYPTED_FORMATS:
        yield Problem(
            f"an encrypted image is raw or qcow2, not {format_word(source.format)}",
            "format",
            words(*_ENCRYPTED_FORMATS),
        )
    if len(encryption.secrets) > 1:
        yield Problem(f"QEMU itself takes one secret, not {len(encryption.secrets)}", "source/encryption/secret[2]")


@RULES.rule("encryption-librbd")
def _by_librbd(source: Source) -> Iterator[Problem]:
    if _by(source, EncryptionEngine.LIBRBD) is None:
        return
    location = source.location
    if not isinstance(location, NetworkLocation) or location.protocol is not Protocol.RBD:
        yield Problem("librbd decrypts what is reached over rbd, and nothing else", "source/encryption", ("qemu",))
