"""Backing strings relative to the image that holds them: libvirt's, glued from what headers say, and computed ones.

Pure text. Must not touch storage: who needs symlinks resolved brings the function that does it. Source: libvirt 11.3.0
``virStorageSourceGetRelativeBackingPath``.
"""

import posixpath
import re
from collections.abc import Callable
from typing import Final

from diskchain.errors import UsageError
from diskchain.storage.location import Location, NetworkHost, NetworkLocation, local_path, without_brackets
from diskchain.storage.protocol_options import HttpOptions
from diskchain.storage.reference.uri_parts import CURL
from diskchain.storage.reference.value import is_file_name, is_relative
from diskchain.storage.source import Source, layers
from diskchain.storage.terms import Protocol

#: Protocols whose names are paths, so that QEMU joins a relative backing string to them.
_PATH_PROTOCOLS: Final = frozenset(
    {
        Protocol.GLUSTER,
        Protocol.HTTP,
        Protocol.HTTPS,
        Protocol.FTP,
        Protocol.FTPS,
        Protocol.TFTP,
        Protocol.SSH,
        Protocol.NFS,
    }
)

#: Where the two readings of a relative string on a server part. libcurl takes everything else as it stands, QEMU's own URI
#: parser (``util/uri.c``) only what RFC 3986 has in paths.
_READ_TWO_WAYS: Final = re.compile(r"[%?#\x00-\x20\x7f]")
_NOT_IN_URI_PATH: Final = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:@/]")


def relative_reference(top: Source, base: Source) -> str | None:
    """What the overlay of ``top`` may hold to name ``base``: libvirt's answer for a commit or pull that keeps relative names.

    The relative strings of ``top`` and every layer down to ``base``, each joined to the directory of what came before, without
    tidying (``../a/../a/base``). None when one of them is not relative. Raises UsageError when ``base`` is not ``top`` or below.
    """
    joined: str | None = ""
    for layer in layers(top):
        text = _as_held(layer)
        joined = None if joined is None or text is None else joined[: joined.rfind("/") + 1] + text
        if layer is base or layer == base:
            return joined
    raise UsageError("the base is not in this chain")


def _as_held(layer: Source) -> str | None:
    """The relative string that the overlay of ``layer`` holds; None when there is none."""
    if layer.runtime is not None and layer.runtime.relative is not None:
        return layer.runtime.relative
    return layer.reference if layer.reference is not None and is_relative(layer.reference) else None


def relative_path(overlay: Location, base: Location, directory: Callable[[str], str] | None = None) -> str:
    """The shortest relative backing string that, in the image at ``overlay``, names ``base``.

    Both are local and absolute, or paths on one server. ``directory`` gives the real path of a directory (``os.path.realpath``);
    without it the answer is right only where no directory on the way is a symlink, because ``..`` leads to the real parent.
    Raises UsageError where no relative string can lead from one to the other.
    """
    start, end = local_path(overlay), local_path(base)
    if start is None or end is None:
        start, end = _paths_on_one_server(overlay, base)
        directory = None
    if not start.startswith("/") or not end.startswith("/"):
        raise UsageError("a relative backing string needs the absolute paths of both images")
    home, (below, name) = posixpath.dirname(start), posixpath.split(end)
    if directory is not None:
        home, below = directory(home), directory(below)
    if not name:
        raise UsageError("a backing string names no directory")
    text = posixpath.relpath(posixpath.join(below, name), home)
    if isinstance(base, NetworkLocation):
        forbidden = _READ_TWO_WAYS if base.protocol in CURL else _NOT_IN_URI_PATH
        if forbidden.search(text):
            raise UsageError("QEMU reads a relative backing string on a server as part of a URI, libvirt as it stands")
    return text if is_file_name(text) else f"./{text}"


def _hosts(location: NetworkLocation) -> tuple[NetworkHost, ...]:
    return tuple(map(without_brackets, location.hosts))


def _paths_on_one_server(overlay: Location, base: Location) -> tuple[str, str]:
    """Both names as absolute paths. Raises UsageError unless one server, and one gluster volume, has both."""
    if not isinstance(overlay, NetworkLocation) or not isinstance(base, NetworkLocation):
        raise UsageError("no relative backing string leads from one kind of storage to another")
    if overlay.protocol not in _PATH_PROTOCOLS or (overlay.protocol, _hosts(overlay)) != (base.protocol, _hosts(base)):
        raise UsageError("no relative backing string leads from one server to another")
    if any(isinstance(each.options, HttpOptions) and each.options.query is not None for each in (overlay, base)):
        raise UsageError("no relative backing string leads to or from a URL with a query")
    start, end = (each.name or "" for each in (overlay, base))
    if overlay.protocol is Protocol.GLUSTER and start.partition("/")[0] != end.partition("/")[0]:
        raise UsageError("no relative backing string leads from one gluster volume to another")
    return f"/{start.removeprefix('/')}", f"/{end.removeprefix('/')}"
