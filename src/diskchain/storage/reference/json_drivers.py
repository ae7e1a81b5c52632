"""What the object of each protocol driver in a ``json:`` string says.

Knows the keys of every driver libvirt reads, their older spellings, and what QEMU reads besides. Must not know where the object
stood. Sources: libvirt 11.3.0 ``jsonParsers[]``; QEMU 7.2 ``qapi/block-core.json`` (BlockdevOptions) and the drivers' legacy options.
"""

from collections.abc import Callable
from typing import Final, cast

from diskchain.errors import ReferenceSyntaxError
from diskchain.storage.location import BlockLocation, DirLocation, FileLocation, NetworkLocation, NvmeLocation
from diskchain.storage.protocol_options import Cookie, HttpOptions
from diskchain.storage.reference.json_document import Fields
from diskchain.storage.reference.json_network import NETWORK_READERS, required, uri_of
from diskchain.storage.reference.pci import pci_address
from diskchain.storage.reference.value import Reference
from diskchain.storage.terms import Format, Protocol


def _file(fields: Fields) -> Reference:
    return Reference(FileLocation(required(fields, "filename")))


def _block(fields: Fields) -> Reference:
    return Reference(BlockLocation(required(fields, "filename")))


def _vvfat(fields: Fields) -> Reference:
    return Reference(DirLocation(required(fields, "dir")), Format.FAT)


def _nvme(fields: Fields) -> Reference:
    device = pci_address(required(fields, "device"))
    namespace = fields.take_number("namespace", "JSON with an nvme namespace that is no number")
    if not namespace:
        raise ReferenceSyntaxError("JSON without the number of an nvme namespace")
    return Reference(NvmeLocation(device, namespace))


def _curl(protocol: Protocol) -> Callable[[Fields], Reference]:
    """A reader of libcurl's protocols, which share their keys."""
    secure = protocol in (Protocol.HTTPS, Protocol.FTPS)
    has_cookies = protocol in (Protocol.HTTP, Protocol.HTTPS)

    def read(fields: Fields) -> Reference:
        found = uri_of(required(fields, "url"), fields, protocol)
        verify = cookies = None
        if secure or fields.dialect == "qemu":
            verify = fields.take_bool("sslverify", "JSON with an sslverify that is neither true nor false")
        if has_cookies:
            cookies = _cookies(fields)
        readahead = fields.take_number("readahead", "JSON with a readahead that is no size")
        timeout = fields.take_number("timeout", "JSON with a timeout that is no number")
        user = fields.take_string("username") if fields.dialect == "qemu" else None
        location = cast("NetworkLocation", found.location)
        if verify is not None or cookies or readahead is not None or timeout is not None:
            query = location.options.query if isinstance(location.options, HttpOptions) else None
            options = HttpOptions(query, verify, cookies or (), readahead, timeout)
            location = NetworkLocation(protocol, location.name, location.hosts, options)
        credentials = (*found.credentials, "cookie") if cookies else found.credentials
        return Reference(location, user=user or found.user, credentials=credentials, unfollowed=found.unfollowed)

    return read


def _cookies(fields: Fields) -> tuple[Cookie, ...]:
    """``a=b; c=d``. Raises ReferenceSyntaxError, without the text, which is secret."""
    text = fields.take_string("cookie")
    if text is None:
        if "cookie" in fields.values:
            raise ReferenceSyntaxError("JSON with a cookie that is no string")
        return ()
    pairs = [part.lstrip().partition("=") for part in text.split(";")]
    if not all(equals for _, equals, _ in pairs):
        raise ReferenceSyntaxError("JSON with a cookie that has no value")
    return tuple(Cookie(name, value) for name, _, value in pairs)


READERS: Final[dict[str, Callable[[Fields], Reference]]] = {
    "file": _file,
    "host_device": _block,
    "host_cdrom": _block,
    "vvfat": _vvfat,
    "nvme": _nvme,
    "http": _curl(Protocol.HTTP),
    "https": _curl(Protocol.HTTPS),
    "ftp": _curl(Protocol.FTP),
    "ftps": _curl(Protocol.FTPS),
    "tftp": _curl(Protocol.TFTP),
    **NETWORK_READERS,
}
