"""A reference as a value: the string, who wrote it, and what it means."""

from typing import Literal, NamedTuple

from diskchain.storage.location import Location
from diskchain.storage.slice import Slice
from diskchain.storage.source import Source
from diskchain.storage.terms import Format

Dialect = Literal["libvirt", "qemu"]


#: A JSON value that is no container.
Scalar = str | int | float | bool | None


class Reference(NamedTuple):
    """What a backing string says.

    ``format`` is a hint from the syntax itself (``fat:``, a ``json:`` driver), None nearly always; in QEMU's reading it is raw where
    the document has no layer above its protocol, and QEMU opens no overlay that records a format beside such a document.
    ``user`` is who logs in.
    ``credentials`` names what else of a login the string holds (``user`` where libvirt counts it as one, ``password``,
    ``key``, ``cookie``); their values are dropped, except cookies, which the location keeps out of its repr.
    ``unfollowed``: libvirt ends its walk here, because of them. ``unknown``: ``json:`` keys that mean nothing to the model,
    dotted, as they stand in ``{"file": {…}}``; :func:`format_reference` puts them back.
    """

    location: Location
    format: Format | None = None
    slice: Slice | None = None
    user: str | None = None
    credentials: tuple[str, ...] = ()
    unfollowed: bool = False
    unknown: tuple[tuple[str, Scalar], ...] = ()

    def source(self, format: Format | None = None) -> Source:
        """The Source that is named: what is in the string, and nothing known below. ``format``: as declared, else the syntax's own.

        A login is not in it, but for a user name that the protocol's options have (ssh, rbd). A relative path stays relative.
        """
        return Source(self.location, self.format if format is None else format, slice=self.slice)

    def __repr__(self) -> str:
        """Without the values of unknown keys: nobody can tell which of them are secrets."""
        keys = "".join(f" {key}=…" for key, _ in self.unknown)
        return (
            f"Reference({self.location!r}, format={self.format!r}, slice={self.slice!r}, user={self.user!r},"
            f" credentials={self.credentials!r}, unfollowed={self.unfollowed!r}, unknown=({keys.strip()}))"
        )


def is_file_name(text: str) -> bool:
    """Whether ``text`` is a file name and not a protocol string: it has no ``:`` before its first ``/``."""
    colon = text.find(":")
    return colon < 0 or text.find("/", 0, colon) >= 0


def is_relative(text: str) -> bool:
    """Whether ``text`` is a file name to be looked for beside the image that holds it. ``json:`` paths never are."""
    return text[:1] != "/" and is_file_name(text)
