"""Every string that QEMU 10.0 reads otherwise than QEMU 7.2, whose reading `parse_reference(…, "qemu")` is, each with its reason.

Since 9.1 QEMU reads URIs with GLib (GUri), which takes other characters and cuts a query otherwise. Debian 13's libraries differ, too.
"""

import re
from urllib.parse import unquote_to_bytes

from diskchain.versions import Versions

_GURI = (9, 1)
_URI = re.compile(r"(?:nbd|ssh|gluster|nfs)(?:\+[a-z]+)?://")
#: What RFC 3986 has in a path or query, and QEMU 7.2 therefore takes.
_STRICT = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?#]|%[0-9A-Fa-f]{2})*")


def reads_otherwise(text: str, versions: Versions) -> str | None:
    """Why the QEMU at hand reads ``text`` otherwise than 7.2 does; None where it does not."""
    if versions.qemu is None or versions.qemu < _GURI or not _URI.match(text):
        return None
    scheme, _, rest = text.partition("://")
    server, slash, path = rest.partition("/")
    if scheme.startswith("gluster+unix"):
        return "refused, whatever follows"
    if scheme.startswith("gluster+rdma"):
        return "RDMA was dropped"
    if scheme.startswith("gluster") and not server.rpartition("@")[2].partition(":")[0]:
        return "a missing host is empty, and no longer localhost"
    if not _is_utf8(rest):
        return "bytes that are no UTF-8 are refused"
    if server.endswith(":"):
        return "an empty port is none, and no longer refused"
    if "%" in server:
        return "a host is not unescaped"
    if not _STRICT.fullmatch(slash + path) or path.count("#") > 1:
        return "characters beyond RFC 3986 are taken as they are"
    query = path.partition("?")[2].partition("#")[0]
    if scheme.startswith("nfs") and query and any("=" not in each for each in query.split("&")):
        return "parameters are passed over, all of them, where one has no value"
    if ";" in query:
        return "a semicolon parts no parameters"
    return None


def _is_utf8(text: str) -> bool:
    try:
        unquote_to_bytes(text).decode()
    except UnicodeError:
        return False
    return True
