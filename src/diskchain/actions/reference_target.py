"""A target that is named as QEMU names images: a URL, ``json:{…}``, ``nbd:…``, ``file:…``. Imported only for names with a colon.

Whoever names a server wants it asked; what its image names in turn is asked for with ``--remote`` alone.
"""

import os
import re
from collections.abc import Iterable

from diskchain.actions.target import Target, TargetName
from diskchain.errors import ReferenceSyntaxError, UsageError, printable
from diskchain.storage.location import BlockLocation, DirLocation, FileLocation, Location, NetworkLocation
from diskchain.storage.reference import parse_reference, redacted
from diskchain.storage.reference.value import Reference, is_file_name
from diskchain.storage.terms import Format
from diskchain.system.paths import absolute_path


def is_reference(name: str) -> bool:
    """Whether ``name`` is no file's, but a string that QEMU understands. A file that is called so goes first."""
    return not is_file_name(name) and not os.path.lexists(name) and _parsed(name) is not None


def reference_target(name: TargetName) -> Target:
    """The image that a reference names. Its name is without what may be a secret. Raises UsageError for one that makes no sense."""
    found = _parsed(name.name)
    if found is None:
        raise UsageError(f"{printable(redacted(name.name))} is no reference to an image")
    format = name.format or _declared(name.name, found)
    source = found.source(format)._replace(location=_absolute(found.location), format=format)
    return Target(redacted(name.name), source, probe=format is None)


def servers(names: Iterable[str]) -> frozenset[Location]:
    """What among ``names`` is on a server: asking for it was wanted."""
    found: set[Location] = set()
    for name in names:
        if ":" in name and is_reference(name):
            location = reference_target(TargetName(name)).source.location
            found |= {location} if isinstance(location, NetworkLocation) else set()
    return frozenset(found)


def _parsed(name: str) -> Reference | None:
    """Raises UsageError for what can be nothing else and is malformed."""
    problem = ""
    for dialect in ("qemu", "libvirt"):
        try:
            return parse_reference(name, "qemu" if dialect == "qemu" else "libvirt")
        except ReferenceSyntaxError as error:
            problem = problem or error.problem
    if name.startswith("json:") or re.match(r"[a-z][a-z0-9+]*://", name):
        raise UsageError(f"{printable(redacted(name))}: {problem}")
    return None


def _declared(name: str, found: Reference) -> Format | None:
    """The format that the reference itself says.

    A ``json:`` with a protocol alone says none, whatever QEMU makes of that: who names an image wants it looked at.
    """
    return None if found.format is Format.RAW and '"raw"' not in name else found.format


def _absolute(location: Location) -> Location:
    if isinstance(location, FileLocation | BlockLocation | DirLocation) and location.path is not None:
        return location._replace(path=absolute_path(location.path))
    return location
