"""Sources as backing strings: a path where that will do, else a URI, else ``json:``.

Knows which form each source needs, and libvirt's spelling of each. Must not know how strings are read. Sources: libvirt 11.3.0
``qemuBlockGetBackingStoreString``, ``qemuBlockStorageSourceGetURI``, ``qemuBlockStorageSourceGetBackendProps`` (source only).

Beyond libvirt, because the string would say something else: a slash at the start of an export's name keeps the one before it; a
gluster path with such a slash, an iSCSI initiator, a target that libiscsi would misread and an unplain host are written as
``json:``; rbd monitors without a port in colon syntax (libvirt writes port 0); a relative file name with a colon
gets ``./``; unknown users of nfs are refused, not forgotten.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from diskchain.errors import ReferenceSyntaxError, UsageError
from diskchain.storage.location import (
    BlockLocation,
    DirLocation,
    FileLocation,
    Location,
    NetworkHost,
    NetworkLocation,
    without_brackets,
)
from diskchain.storage.protocol_options import HttpOptions, IscsiOptions, NbdOptions, RbdOptions
from diskchain.storage.reference.value import Scalar, is_file_name
from diskchain.storage.reference.write_json import protocol_object
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Protocol, Transport

#: libvirt writes these as URIs, given one TCP server and no options a URI cannot hold.
_URI_PROTOCOLS: Final = frozenset(
    {
        Protocol.NBD,
        Protocol.HTTP,
        Protocol.HTTPS,
        Protocol.FTP,
        Protocol.FTPS,
        Protocol.TFTP,
        Protocol.ISCSI,
        Protocol.GLUSTER,
    }
)
_URL_PROTOCOLS: Final = _URI_PROTOCOLS - {Protocol.NBD, Protocol.ISCSI, Protocol.GLUSTER}
#: libxml2 ``xmlSaveUri``: what it leaves unescaped in a path.
_ESCAPED_IN_PATH: Final = re.compile(rb"[^A-Za-z0-9\-_.!~*'()/;@&=+$,]")
#: In JSON; the backslash itself not escaped.
_ESCAPED_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_PLAIN_HOST: Final = re.compile(r"[A-Za-z0-9.\-_~:]+")
_ESCAPED_IN_QUERY: Final = re.compile(rb"[^A-Za-z0-9\-._~!$&'()*+,;=%:@/?]")


def write(source: Source, unknown: tuple[tuple[str, Scalar], ...]) -> str:
    """The string. Raises UsageError for what none can say."""
    location = source.location
    text = None
    if isinstance(location, NetworkLocation) and location.protocol is Protocol.RBD:
        text = _rbd(location, unknown) if source.slice is None else None
    elif source.slice is None and not unknown:
        text = _short(location, source.format)
    if text is not None:
        return _without_nul(text)
    inside = protocol_object(location, url)
    if source.slice is not None:
        if isinstance(location, FileLocation | BlockLocation) and not inside["filename"].startswith("/"):
            raise UsageError("a slice of a relative path: json: strings are not relative to the image that holds them")
        window: dict[str, Any] = {"driver": "raw", "offset": source.slice.offset}
        if source.slice.size:
            window["size"] = source.slice.size
        inside = {**window, "file": inside}
    document = {"file": inside}
    for key, value in unknown:
        _put(document, key, value)
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise UsageError("a name that is not UTF-8 cannot be written as JSON") from None
    # In ASCII: libvirt 11.3 reads no other.
    return _without_nul("json:" + json.dumps(document, separators=(",", ":")))


def _without_nul(text: str) -> str:
    if "\0" in text or _ESCAPED_NUL.search(text):
        raise UsageError("a backing string cannot hold a NUL")
    return text


def _short(location: Location, format: Format | None) -> str | None:
    """The path or URI, or None where only JSON will do."""
    match location:
        case FileLocation(path) | BlockLocation(path):
            if not path:
                raise UsageError("an empty drive has no backing string")
            return path if is_file_name(path) else f"./{path}"
        case DirLocation(path):
            if not path:
                raise UsageError("an empty drive has no backing string")
            if format is not Format.FAT:
                return path if is_file_name(path) else f"./{path}"
            # QEMU takes what follows the last colon.
            return None if ":" in path else f"fat:{path}"
        case NetworkLocation():
            return url(location) if _fits_uri(location) else None
    return None


def _fits_uri(location: NetworkLocation) -> bool:
    protocol, name, options = location.protocol, location.name or "", location.options
    if protocol not in _URI_PROTOCOLS or len(location.hosts) != 1:
        return False
    host = without_brackets(location.hosts[0])
    carrier = host.transport is Transport.TCP or (host.transport is Transport.RDMA and protocol is Protocol.GLUSTER)
    if not carrier or not _PLAIN_HOST.fullmatch(host.name or ""):
        return False
    if isinstance(options, NbdOptions) and options.reconnect_delay:
        return False
    if isinstance(options, IscsiOptions) and options.initiator:
        return False
    if isinstance(options, HttpOptions) and (
        options.ssl_verify is not None or options.cookies or options.readahead or options.timeout
    ):
        return False
    first, _, rest = name.partition("/")
    if protocol is Protocol.ISCSI:
        from diskchain.storage.reference.iscsi import survives

        return bool(first) and rest.isascii() and rest.isdecimal() and survives(_escaped(_ESCAPED_IN_PATH, first))
    if protocol is Protocol.GLUSTER:
        return bool(first) and rest[:1] not in ("", "/")
    return True


def url(location: NetworkLocation) -> str:
    """The URI of the one server of ``location``. Raises UsageError when it has none, or no plain one."""
    host = without_brackets(location.hosts[0]) if len(location.hosts) == 1 else None
    if host is None or not _PLAIN_HOST.fullmatch(host.name or ""):
        raise UsageError(f"{location.protocol} needs exactly one host, and a plain name of it")
    carrier = "" if host.transport is Transport.TCP else f"+{host.transport}"
    text = f"{location.protocol}{carrier}://{_netloc(host)}"
    if location.name:
        slash = "" if location.protocol in _URL_PROTOCOLS and location.name.startswith("/") else "/"
        text += slash + _escaped(_ESCAPED_IN_PATH, location.name)
    if isinstance(location.options, HttpOptions) and location.options.query is not None:
        text += "?" + _escaped(_ESCAPED_IN_QUERY, location.options.query)
    return text


def _netloc(host: NetworkHost) -> str:
    name = host.name or ""
    text = f"[{name}]" if ":" in name else name
    return text if host.port is None else f"{text}:{host.port}"


def _escaped(forbidden: re.Pattern[bytes], text: str) -> str:
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UsageError("a name with a character that no encoding has") from None
    return forbidden.sub(lambda found: b"%%%02X" % found[0][0], raw).decode()


def _rbd(location: NetworkLocation, unknown: tuple[tuple[str, Scalar], ...]) -> str | None:
    """Colon syntax where a monitor has no port (Ceph tries its own), else None: JSON says the same."""
    from diskchain.storage.reference.rbd import KEY_VALUES, MONITOR_NAME, escape

    if all(host.port is not None for host in location.hosts) or any(key != KEY_VALUES for key, _ in unknown):
        return None
    hosts = [*map(without_brackets, location.hosts)]
    if not all(MONITOR_NAME.fullmatch(host.name or "") for host in hosts):
        raise UsageError("an rbd monitor without a port, and with a name that its list would cut")
    text = "rbd:" + escape(location.name or "")
    if location.snapshot:
        text += "@" + escape(location.snapshot)
    monitors = "\\;".join(_netloc(host).replace(":", "\\:") for host in hosts)
    options = [f"mon_host={monitors}"]
    if location.config_file:
        options.append(f"conf={escape(location.config_file)}")
    if isinstance(location.options, RbdOptions) and location.options.user:
        options.append(f"id={escape(location.options.user)}")
    for _, pairs in unknown:
        options += [escape(key).replace("=", "\\=") + f"={escape(value)}" for key, value in _pairs(pairs)]
    return ":".join((text, *options))


def _pairs(text: Scalar) -> Iterable[tuple[str, str]]:
    from diskchain.storage.reference.rbd import key_values

    try:
        return key_values(str(text)).items()
    except ReferenceSyntaxError as error:
        raise UsageError(error.problem) from None


def _put(document: dict[str, Any], key: str, value: Scalar) -> None:
    """Store one unknown key at its place. Raises UsageError when something that is no object is in its way."""
    *way, last = key.split(".")
    inside: Any = document
    for part in way:
        if isinstance(inside, list):
            inside = inside[int(part)] if part.isdecimal() and int(part) < len(inside) else None
        else:
            inside = inside.setdefault(part, {})
        if not isinstance(inside, dict | list):
            raise UsageError("an unknown key that goes through something that is no object")
    if isinstance(inside, list):
        raise UsageError("an unknown key that is an element of a list")
    inside[last] = value
