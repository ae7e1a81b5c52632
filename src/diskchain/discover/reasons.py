"""Why a file of this host is missing or cannot be read, in words: from what is on the way to it, and from how it is named.

Imported only where a layer was not there. Asks the file system once more, about a path that has just answered.
"""

import os
from contextlib import suppress
from typing import Final

from diskchain.errors import ReferenceSyntaxError, printable
from diskchain.storage.location import NetworkLocation
from diskchain.storage.reference import parse_reference, redacted
from diskchain.storage.reference.foreign_name import foreign_name
from diskchain.system.absence import Absence, Reason, absence

#: Symlinks named in one message; the last is what leads nowhere.
_LINKS_SHOWN: Final = 3
_WORDS: Final = {
    Reason.NOT_A_DIRECTORY: "{where} is a file, not a directory",
    Reason.UNMOUNTED: "nothing is mounted on {where}, for which /etc/fstab has an entry",
    Reason.AUTOMOUNT: "the automounter of {where} did not mount it",
    Reason.INACTIVE: "the volume group {where} is not active on this host",
    Reason.LOOP: "the symlinks go round in a circle",
    Reason.HIDDEN: "the directory {where} may not be searched by this user",
}


def why_missing(path: str, reference: str | None) -> str:
    """Why nothing is at ``path``, which a header calls ``reference``, or for want of a header a document. Empty: nothing is known."""
    why = []
    if reference is not None:
        foreign = foreign_name(reference)
        if foreign is not None:
            why.append(f"it is stored as {printable(redacted(reference))}: {foreign.opens}")
    elif _names_a_network_image(path):
        why.append("that is QEMU's name of a network image, for which libvirt wants <disk type='network'>")
    with suppress(OSError):
        found = absence(path) if path.startswith("/") else None
        if found is not None:
            why += _on_the_way(found, path)
    return "; ".join(why)


def why_denied(path: str, problem: str) -> str:
    """``problem``, with the directory that stands in the way, or whose file it is."""
    try:
        found = absence(path)
    except OSError:
        return problem
    if found is not None and found.reason is Reason.HIDDEN:
        return f"{problem}: {_WORDS[Reason.HIDDEN].format(where=printable(found.where))}"
    with suppress(OSError):
        status = os.stat(path)
        return f"{problem}: it belongs to user {status.st_uid}, its mode is {status.st_mode & 0o7777:04o}"
    return problem


def _names_a_network_image(path: str) -> bool:
    try:
        return isinstance(parse_reference(path, "qemu").location, NetworkLocation)
    except ReferenceSyntaxError:
        return False


def _on_the_way(found: Absence, path: str) -> list[str]:
    why = []
    *earlier, last = found.links or ((),)
    if last:
        left_out = max(0, len(earlier) - _LINKS_SHOWN + 1)
        shown = [*earlier[left_out:], last]
        why.append(" and ".join(f"{printable(link)} is a symlink to {printable(target)}" for link, target in shown))
    where = printable(found.where)
    if found.reason in _WORDS:
        why.append(_WORDS[found.reason].format(where=where))
    elif found.reason is Reason.DETACHED:
        why.append("no such device is there: it is not attached or not active on this host")
    elif found.reason is Reason.DIRECTORY:
        why.append(f"there is no directory {where}")
    elif found.where != path:
        why.append(f"there is no {where}")
    if found.empty is not None:
        why.append(f"{printable(found.empty)} is empty, as a mount point is while nothing is mounted there")
    return why
