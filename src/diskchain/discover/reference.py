"""What one header names: turn a backing or data file string into a Source, as libvirt resolves it.

Source: libvirt 11.3.0 ``virStorageSourceNewFromBackingRelative``, ``virStorageSourceNewFromBackingAbsolute``. Touches no storage.
"""

from typing import Final

from diskchain.storage.location import FileLocation, Location, NetworkLocation, local_path
from diskchain.storage.reference import is_file_name
from diskchain.storage.source import UNKNOWN, Source
from diskchain.storage.terms import Format

#: Format names libvirt knows, in its spelling. Any other name an overlay records is read as raw.
RECORDED_FORMATS: Final[dict[str, Format]] = {
    **{str(known): known for known in Format if known not in (Format.VHDX, Format.PARALLELS, Format.LUKS)},
    "vhd": Format.VHDX,
    "ploop": Format.PARALLELS,
}


class CredentialsInside(Exception):
    """A reference carries a user name or password. libvirt does not follow those; nor do we. Never leaves ``discover``."""


def referenced_source(parent: Source, text: str, format: Format | None) -> Source:
    """The Source that ``text`` in the header of ``parent`` names: read-only, detected, its own backing unknown.

    Relative names are joined textually, as libvirt does: symlinks and ``..`` stay. Raises ReferenceSyntaxError when the text
    makes no sense, CredentialsInside when libvirt would not follow it.
    """
    location: Location = parent.location
    window = None
    if ":" not in text or is_file_name(text):
        if text[:1] == "/":
            location = FileLocation(text)
        elif isinstance(location, NetworkLocation):
            directory, slash, _ = (location.name or "").rpartition("/")
            location = location._replace(name=directory + slash + text)
        else:
            directory, slash, _ = (local_path(location) or "").rpartition("/")
            location = FileLocation(f"{directory}/{text}" if slash else f"./{text}")
    else:
        from diskchain.storage.reference import parse_reference

        parsed = parse_reference(text)
        if parsed.unfollowed:
            raise CredentialsInside
        format = parsed.format or format
        location, window = parsed.location, parsed.slice
    # Positional: this runs once for every layer of every chain, and keywords double the cost.
    return Source(
        location,
        format,
        UNKNOWN,
        None,  # data file
        None,  # encryption
        None,  # auth
        parent.seclabels,
        window,
        None,  # reservations
        None,  # metadata cache
        True,  # read-only  # noqa: FBT003
        parent.shared,
        text,
        True,  # detected  # noqa: FBT003
    )
