"""Strings that start with a protocol and a colon but are no URI: ``nbd:``, ``rbd:``, ``fat:``, and QEMU's ``file:``.

Knows how both programs cut and unescape them. Must not know URIs or JSON. Sources: libvirt 11.3.0
``virStorageSourceParseBackingColon``; QEMU 7.2 ``nbd_parse_filename``, ``vvfat_parse_filename``, ``raw_parse_filename``.
"""

from typing import Final

from diskchain.errors import ReferenceSyntaxError, UnsupportedReference
from diskchain.storage.location import BlockLocation, DirLocation, FileLocation, NetworkHost, NetworkLocation
from diskchain.storage.reference.rbd import parse_rbd
from diskchain.storage.reference.uri_parts import port_number, unknown_protocol
from diskchain.storage.reference.value import Dialect, Reference, Scalar
from diskchain.storage.terms import DEFAULT_PORTS, Format, Protocol, Transport


def parse_colon(text: str, dialect: Dialect) -> Reference:
    """What ``PROTOCOL:…`` names. Raises ReferenceSyntaxError, with nothing of the string in it."""
    prefix, _, rest = text.partition(":")
    if prefix == "fat":
        return _fat(rest, dialect)
    if prefix == Protocol.NBD:
        return Reference(_nbd(rest, dialect))
    if prefix == Protocol.RBD:
        return parse_rbd(rest, dialect)
    if dialect == "qemu" and prefix == "file":
        return Reference(FileLocation(_path(rest)))
    if dialect == "qemu" and prefix in ("host_device", "host_cdrom"):
        return Reference(BlockLocation(_path(rest)))
    if prefix not in Protocol.__members__.values():
        raise unknown_protocol(prefix)
    if prefix == Protocol.SHEEPDOG:
        raise UnsupportedReference("sheepdog's colon syntax", driver=prefix)
    raise ReferenceSyntaxError(f"{prefix}: without the // of a URI")


def _path(text: str) -> str:
    if not text:
        raise ReferenceSyntaxError("a protocol without a path")
    return text


#: QEMU: ``vvfat_parse_filename``. Searched for anywhere; when several are there, the first of these counts.
_FAT_TYPES: Final = ("32", "16", "12")


def _fat(text: str, dialect: Dialect) -> Reference:
    if dialect == "libvirt":
        return Reference(DirLocation(_path(text)), Format.FAT)
    unknown: list[tuple[str, Scalar]] = []
    for bits in _FAT_TYPES:
        if f":{bits}:" in f":{text}":
            unknown.append(("file.fat-type", int(bits)))
            break
    unknown += [(f"file.{word}", True) for word in ("floppy", "rw") if f":{word}:" in f":{text}"]
    before, _, path = f":{text}".rpartition(":")
    if before[-2:-1] == ":" and before[-1].isascii() and before[-1].isalpha():
        # QEMU takes one letter for a DOS drive, on every host.
        path = f"{before[-1]}:{path}"
    return Reference(DirLocation(_path(path)), Format.FAT, unknown=tuple(unknown))


_EXPORT: Final = ":exportname="


def _nbd(text: str, dialect: Dialect) -> NetworkLocation:
    # The colon before a name may be the one after "nbd": then no host is left.
    server, mark, name = f":{text}".partition(_EXPORT)
    server = server[1:]
    if not server or (mark and not name and dialect == "qemu"):
        raise ReferenceSyntaxError("an nbd string that names no server")
    if server.startswith("unix:"):
        host = NetworkHost(None, None, _path(server.removeprefix("unix:")), Transport.UNIX)
        return NetworkLocation(Protocol.NBD, name or None, (host,))
    if server.startswith("["):
        address, bracket, port = server[1:].partition("]:")
    else:
        address, bracket, port = server.partition(":")
    if not address or not bracket:
        raise ReferenceSyntaxError("an nbd string that is not HOST:PORT")
    number = port_number(port) or DEFAULT_PORTS[Protocol.NBD]
    return NetworkLocation(Protocol.NBD, name or None, (NetworkHost(address, number),))
