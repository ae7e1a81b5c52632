"""What a backing string says about whom to trust, which is not for an image to say: find it, and read the layer without it.

Whoever writes an image writes its backing string. A switch in it that turns off the check of a certificate or of a host key, names the
host key to take, or names TLS credentials and secrets of the process that opens the image, would let an image decide what only the host
may. Knows strings and locations; opens nothing. Sources: QEMU 7.2 to 10.0 ``qapi/block-core.json`` (``sslverify``, ``host-key-check``,
``tls-creds``, ``tls-hostname``, ``*-secret``) and ``block/ssh.c`` (``host_key_check``); libvirt 9.0 and 11.3
``virStorageSourceParseBackingJSON*``, which reads ``sslverify`` and ``host_key_check`` and drops the others.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote

from diskchain.errors import ReferenceSyntaxError
from diskchain.storage.location import Location, NetworkLocation
from diskchain.storage.protocol_options import HttpOptions, NbdOptions, SshOptions
from diskchain.storage.reference.json_document import load
from diskchain.storage.reference.value import is_relative
from diskchain.storage.source import Source

#: In a URI of ssh, which QEMU alone reads: ``ssh://host/path?host_key_check=no``.
_IN_URI: Final = re.compile(r"[?&;]host_key_check=([^&;#]*)")
_NAMES: Final = frozenset(("tls-creds", "tls-hostname"))
_ON: Final = (True, "on", "yes", "true", "y")


@dataclass(frozen=True, slots=True)
class Claims:
    """The keys of a backing string that are not for it to say, as QEMU spells them, sorted. No values: one may be a secret.

    ``checks``: turn off or replace the check of a server. ``names``: of objects of the process that opens the image.
    """

    checks: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.checks or self.names)


def claims(text: str) -> Claims:
    """What ``text``, as it stands in a header, says about trust. Never raises: what cannot be read says nothing."""
    if text.startswith("json:"):
        try:
            return _in_object(load(text.removeprefix("json:"), "qemu"))
        except ReferenceSyntaxError:
            return Claims()
    if text.startswith(("ssh:", "ssh+")):
        values = [unquote(value) for value in _IN_URI.findall(text)]
        return Claims(("host_key_check",)) if any(value != "yes" for value in values) else Claims()
    return Claims()


def _in_object(document: dict[str, Any]) -> Claims:
    checks, names = set(), set()
    waiting: list[tuple[str, Any]] = list(document.items())
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            if key == "host-key-check" and value.get("mode") not in (None, "known_hosts"):
                checks.add(key)
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(key, each) for each in value]
        elif (key == "sslverify" and value not in _ON) or (key == "host_key_check" and value != "yes"):
            checks.add(key)
        elif key in _NAMES or key.endswith("-secret"):
            names.add(key)
    return Claims(tuple(sorted(checks)), tuple(sorted(names)))


def believed(source: Source, above: Location | None) -> Location:
    """Where ``source`` is, without what only a header says about whom to trust.

    ``above``: what this function gave for the overlay that names it. A relative name is looked up at the overlay's server and by the
    overlay's options; what a document declares is as it says.
    """
    location = source.location
    if not source.detected or not isinstance(location, NetworkLocation):
        return location
    text = source.reference
    if text is not None and is_relative(text):
        return location._replace(options=above.options) if isinstance(above, NetworkLocation) else location
    options = location.options
    if isinstance(options, HttpOptions):
        options = replace(options, ssl_verify=None)
    elif isinstance(options, SshOptions):
        options = replace(options, check_host_key=True)
    elif isinstance(options, NbdOptions):
        options = replace(options, tls_hostname=None)
    return location._replace(options=options)


def believed_chain(top: Source) -> Source:
    """The chain of ``top`` with every location as :func:`believed` gives it."""
    stack: list[Source] = []
    above: Location | None = None
    layer: object = top
    while isinstance(layer, Source):
        location = believed(layer, above)
        data = layer.data_file
        if data is not None:
            data = data._replace(location=believed(data, location))
        extents = tuple(extent._replace(location=believed(extent, location)) for extent in layer.extents)
        stack.append(layer._replace(location=location, data_file=data, extents=extents))
        above, layer = location, layer.backing
    below = stack.pop()
    while stack:
        below = stack.pop()._replace(backing=below)
    return below


def weakened(location: Location) -> bool:
    """Whether the model, and with it libvirt, reads at this location that a server's certificate or host key is not checked."""
    options = location.options if isinstance(location, NetworkLocation) else None
    if isinstance(options, HttpOptions):
        return options.ssl_verify is False
    return isinstance(options, SshOptions) and not options.check_host_key
