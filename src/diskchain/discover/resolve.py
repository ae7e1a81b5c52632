"""What one header names: turn a backing or data file string into a Source, as libvirt resolves it.

Source: libvirt 11.3.0 ``virStorageSourceNewFromBackingRelative``, ``virStorageSourceNewFromBackingAbsolute``. Touches no storage.
"""

from typing import Final

from diskchain.errors import ReferenceSyntaxError
from diskchain.storage.location import FileLocation, Location, NetworkLocation, file_location, local_path
from diskchain.storage.reference.value import is_file_name
from diskchain.storage.source import Source, detected_source
from diskchain.storage.terms import Format

#: Format names libvirt knows, in its spelling, and what it reads them as. Any other name an overlay records is read as raw.
RECORDED_FORMATS: Final[dict[str, Format]] = {
    **{str(known): known for known in Format if known not in (Format.VHDX, Format.PARALLELS, Format.LUKS)},
    "vhd": Format.VHDX,
    "ploop": Format.PARALLELS,
    "iso": Format.RAW,
}
#: The name libvirt has for *no* format: an overlay that records it does not start.
NO_FORMAT: Final = "none"


class CredentialsInside(Exception):
    """A reference carries a user name or password. libvirt does not follow those; nor do we. Never leaves ``discover``."""


def referenced_source(parent: Source, text: str, format: Format | None) -> Source:
    """The Source that ``text`` in the header of ``parent`` names: read-only, detected, its own backing unknown.

    Relative names are joined textually, as libvirt does: symlinks and ``..`` stay. Raises ReferenceSyntaxError when the text
    makes no sense, CredentialsInside when libvirt would not follow it.
    """
    location: Location = parent.location
    window = None
    if ":" in text and not is_file_name(text):
        from diskchain.storage.reference import parse_reference

        parsed = parse_reference(text)
        if parsed.unfollowed:
            raise CredentialsInside
        location, window = parsed.location, parsed.slice
    elif text[:1] == "/":
        location = file_location(text)
    elif isinstance(location, NetworkLocation):
        directory, slash, _ = (location.name or "").rpartition("/")
        location = location._replace(name=directory + slash + text)
    else:
        path = location.path if isinstance(location, FileLocation) else local_path(location)
        directory, slash, _ = (path or "").rpartition("/")
        location = file_location(f"{directory}/{text}" if slash else f"./{text}")
    return detected_source(location, format, parent, text, window)


def followed_credentials(text: str) -> tuple[str, ...]:
    """What of a login a backing string holds that libvirt follows all the same (``key``, ``password``, ``cookie`` …)."""
    from diskchain.storage.reference import parse_reference

    try:
        parsed = parse_reference(text)
    except ReferenceSyntaxError:
        return ()
    return () if parsed.unfollowed else tuple(held for held in parsed.credentials if held != "user")
