r"""References that another program or another system understands: what they are, who opens them, and the name of the file in them.

Knows paths of Windows (``C:\…``, ``\\server\share``, ``..\base``), VMware's (``[datastore] …``, ``/vmfs/…``), and what only QEMU reads
(``file:``, ``json:`` with a format driver). Pure; imported where a reference led to nothing. Sources: Microsoft "Naming Files, Paths, and
Namespaces"; VMware "Virtual Disk Format 5.0"; QEMU 7.2 ``path_has_protocol``, ``is_windows_drive``; libvirt 11.3.0
``virStorageSourceNewFromBackingAbsolute``.
"""

import re
from dataclasses import dataclass
from typing import Final

from diskchain.behaviours import tried
from diskchain.errors import ReferenceSyntaxError
from diskchain.storage.location import FileLocation, local_path
from diskchain.storage.reference import parse_reference
from diskchain.storage.terms import Format

_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
_SHARE: Final = re.compile(r"\\\\[^\\]+\\")
_DATASTORE: Final = re.compile(r"\[[^\]/]+\] ?[^/]")
_ESXI: Final = "/vmfs/"
_HERE: Final = f"{tried('QEMU')} and {tried('libvirt')} on this system"
_WINDOWS: Final = "programs on Windows open it (QEMU, Hyper-V, VMware, VirtualBox)"


@dataclass(frozen=True, slots=True)
class ForeignName:
    """What a reference is, and who opens it.

    ``opens``: a sentence for people, with versions. ``path``, ``format``: the file of this host that QEMU opens for it, if it does, and
    the format if the reference says one. A relative path starts at the directory QEMU was started in.
    """

    opens: str
    path: str | None = None
    format: Format | None = None


def foreign_name(text: str) -> ForeignName | None:
    """What is to be said of ``text``, which led to nothing here; None where it is a plain name of this system or makes no sense."""
    if _DRIVE.match(text):
        return ForeignName(f"it is a path of Windows: {_WINDOWS}; {_HERE} take the drive's letter for a protocol")
    if _SHARE.match(text):
        return ForeignName(f"it is a Windows share: {_WINDOWS}; {_HERE} take it for a file name with backslashes in it")
    if _DATASTORE.match(text) or text.startswith(_ESXI):
        return ForeignName(
            f"it is a path of VMware ESXi, which alone opens it; {_HERE} take it for a name on this host"
        )
    if "\\" in text and "/" not in text and ":" not in text:
        return ForeignName(f"it looks like a path of Windows: {_WINDOWS}; {_HERE} take it for one file name")
    return _of_qemu(text)


def _of_qemu(text: str) -> ForeignName | None:
    """What QEMU reads and libvirt does not."""
    try:
        parse_reference(text)
    except ReferenceSyntaxError:
        pass
    else:
        return None
    try:
        found = parse_reference(text, "qemu")
    except ReferenceSyntaxError:
        return None
    path = local_path(found.location)
    plain = (
        found.slice is None and not found.unknown and not found.credentials and isinstance(found.location, FileLocation)
    )
    opens = f"{tried('QEMU')} opens it; {tried('libvirt')} does not, and starts no domain with it"
    return ForeignName(opens, path if plain and path else None, found.format)


def last_component(text: str) -> str:
    """The name of the file in a reference of any system: what stands behind its last slash, backslash or datastore.

    Of a ``json:`` or ``file:`` reference, that of the path in it. Empty where there is none.
    """
    if text.startswith(("json:", "file:")):
        found = _of_qemu(text)
        text = found.path or "" if found is not None else ""
    elif (datastore := _DATASTORE.match(text)) is not None:
        text = text[datastore.end() - 1 :]
    return (
        re.split(r"[\\/]", text)[-1] if not text.startswith("/") or text.startswith(_ESXI) else text.rpartition("/")[2]
    )
