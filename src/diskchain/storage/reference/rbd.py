r"""RBD's own syntax, ``rbd:POOL[/NAMESPACE]/IMAGE[@SNAPSHOT][:OPTION=VALUE…]``, both ways.

Knows how libvirt and QEMU cut it (a backslash escapes the next character, and libvirt resolves that nearly nowhere), and how
Ceph's ``mon_host`` lists monitors. Sources: libvirt 11.3.0 ``virStorageSourceParseRBDColonString``; QEMU 7.2
``qemu_rbd_parse_filename``, measured: the last of several options counts, an ``@``, in an option too, is looked for before the first ``:``.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

from diskchain.errors import ReferenceSyntaxError, UnsupportedReference
from diskchain.storage.location import NetworkHost, NetworkLocation
from diskchain.storage.protocol_options import RbdOptions
from diskchain.storage.reference.uri_parts import port_number
from diskchain.storage.reference.value import Dialect, Reference, Scalar
from diskchain.storage.terms import Protocol

_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
#: A piece, and the mark after it or nothing: what follows always matches, so an escape is never reconsidered.
_PIECE: Final = {mark: re.compile(rf"((?:[^\\{mark}]|\\.|\\\Z)*)({mark}?)", re.DOTALL) for mark in "/@:"}
#: QEMU cuts a name at ``=``, whatever colons are in it, then its value at ``:``.
_OPTION: Final = re.compile(r"((?:[^\\=]|\\.|\\\Z)*)(=?)((?:[^\\:]|\\.|\\\Z)*)(:?)", re.DOTALL)
_LIBVIRT_SEPARATOR: Final = re.compile(r"\\[,; ]")
#: Names and addresses of monitors that their list cannot cut apart.
MONITOR_NAME: Final = re.compile(r"[A-Za-z0-9.\-_:%]+")
_CEPH_SEPARATOR: Final = re.compile(r"[,; ]+")

#: Ceph options whose value opens the cluster.
_SECRETS: Final = ("password", "key")
#: QEMU's place for options it hands to librados, a JSON array in a string (``block/rbd.c``).
KEY_VALUES: Final = "file.=keyvalue-pairs"


def parse_rbd(text: str, dialect: Dialect) -> Reference:
    """What stands after ``rbd:``. Raises ReferenceSyntaxError, with nothing of the string in it."""
    return _as_libvirt(text) if dialect == "libvirt" else _as_qemu(text)


def _as_libvirt(text: str) -> Reference:
    name, _, rest = text.partition(":")
    name, _, snapshot = name.partition("@")
    user: str | None = None
    hosts: list[NetworkHost] = []
    config = None
    credentials: list[str] = []
    for option in _pieces(rest):
        key, _, value = option.partition("=")
        if key == "id":
            if user is not None:
                raise ReferenceSyntaxError("an rbd string with two users")
            user = value
        elif key == "mon_host":
            hosts += [_monitor(part) for part in _LIBVIRT_SEPARATOR.split(value) if part]
        elif key == "conf":
            config = value or None
        elif key in _SECRETS:
            credentials.append(key)
    location = NetworkLocation(Protocol.RBD, _name(name), tuple(hosts), snapshot=snapshot or None, config_file=config)
    return Reference(location, user=user, credentials=tuple(credentials))


def _name(name: str) -> str:
    if not name or name.endswith("/") or name.startswith("/"):
        raise ReferenceSyntaxError("an rbd string without pool or image")
    return name


def _monitor(text: str) -> NetworkHost:
    r"""One monitor as libvirt reads it: ``NAME``, ``NAME\:PORT`` or ``[ADDRESS]\:PORT``, colons escaped."""
    if "]" in text:
        address, _, port = text[1:].partition("]")
        port = port.removeprefix("\\:")
    else:
        address, _, port = text.partition("\\:")
    return NetworkHost(address.replace("\\:", ":"), port_number(port) if port else None)


def _as_qemu(text: str) -> Reference:
    pool, slash, rest = _cut(text, "/")
    if not slash:
        raise ReferenceSyntaxError("an rbd string without a pool")
    snapshot = None
    before, at, after = _cut(rest, "@")
    if at:
        image = before
        snapshot, colon, rest = _cut(after, ":")
    else:
        image, colon, rest = _cut(rest, ":")
    namespace, slash, inner = _cut(image, "/")
    namespace, image = (namespace, inner) if slash else ("", image)
    options: dict[str, str] = {}
    for found in _OPTION.finditer(rest) if colon else ():
        if not found[2]:
            raise ReferenceSyntaxError("an rbd option without a value")
        options[unescape(found[1])] = unescape(found[3])
        if not found[4]:
            break
    credentials = _drop_secrets(options)
    user = options.pop("id", None)
    config = options.pop("conf", None)
    hosts = monitors(options.get("mon_host", ""))
    if hosts:
        del options["mon_host"]
    location = NetworkLocation(
        Protocol.RBD,
        joined_name(unescape(pool), unescape(namespace), unescape(image)),
        hosts,
        RbdOptions(user) if user else None,
        snapshot=unescape(snapshot) or None if snapshot is not None else None,
        config_file=config or None,
    )
    return Reference(location, user=user or None, credentials=credentials, unknown=_as_unknown(options))


def _drop_secrets(options: dict[str, str]) -> tuple[str, ...]:
    """Take secrets out of ``options``; the names of those that were there."""
    return tuple(key for key in _SECRETS if options.pop(key, None) is not None)


def _as_unknown(options: dict[str, str]) -> tuple[tuple[str, Scalar], ...]:
    pairs = [part for pair in options.items() for part in pair]
    return ((KEY_VALUES, json.dumps(pairs)),) if pairs else ()


def key_values(text: str) -> dict[str, str]:
    """The options in a value of :data:`KEY_VALUES`. Raises ReferenceSyntaxError, without the text: one may be a key."""
    try:
        pairs = json.loads(text)
        if isinstance(pairs, list) and all(isinstance(part, str) for part in pairs):
            return dict(zip(pairs[::2], pairs[1::2], strict=True))
    except (ValueError, RecursionError):
        pass
    raise ReferenceSyntaxError("rbd options that are no list of names and values")


def without_secrets(text: str) -> tuple[tuple[str, ...], tuple[tuple[str, Scalar], ...]]:
    """A value of :data:`KEY_VALUES` as the names of the secrets in it, and the unknown key it is without them."""
    options = key_values(text)
    return _drop_secrets(options), _as_unknown(options)


def joined_name(pool: str, namespace: str, image: str) -> str:
    """``POOL[/NAMESPACE]/IMAGE``. Raises ReferenceSyntaxError where one is missing, or one with a slash would blur the cut."""
    if not pool or not image:
        raise ReferenceSyntaxError("an rbd string without pool or image")
    if "/" in pool or "/" in namespace or ("/" in image and not namespace):
        raise UnsupportedReference("a slash in the name of an rbd pool or image", driver=Protocol.RBD)
    return f"{pool}/{namespace}/{image}" if namespace else f"{pool}/{image}"


def _cut(text: str, mark: str) -> tuple[str, str, str]:
    """``partition`` at the first ``mark`` that no backslash escapes; all parts still escaped."""
    found = next(_PIECE[mark].finditer(text))
    return found[1], found[2], text[found.end() :]


def _pieces(text: str) -> Iterator[str]:
    """What unescaped colons part, still escaped."""
    for found in _PIECE[":"].finditer(text):
        yield found[1]
        if not found[2]:
            return


def unescape(text: str) -> str:
    """``text`` without its escaping backslashes."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def escape(text: str) -> str:
    """``text`` so that QEMU cuts it nowhere. Leaves a plain name or path alone: libvirt does not resolve escapes."""
    return re.sub(r"([\\:@])", r"\\\1", text)


def monitors(text: str) -> tuple[NetworkHost, ...]:
    """The hosts of a ``mon_host`` value; empty when it is not a plain list of ``HOST[:PORT]`` (Ceph knows richer ones)."""
    hosts = []
    for part in _CEPH_SEPARATOR.split(text.strip(",; ")):
        if part.startswith("["):
            address, bracket, port = part[1:].partition("]")
            if not bracket or (port and port[0] != ":"):
                return ()
            port = port[1:]
        else:
            address, _, port = part.partition(":")
        if not MONITOR_NAME.fullmatch(address):
            return ()
        try:
            hosts.append(NetworkHost(address, port_number(port) if port else None))
        except ReferenceSyntaxError:
            return ()
    return tuple(hosts)
