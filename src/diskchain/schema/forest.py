"""``diskchain show --json`` of a directory: schema ``diskchain/forest/1``."""

import msgspec

from diskchain.discover.chain import Layer
from diskchain.schema.base import FindingDocument
from diskchain.schema.check import TargetDocument, WalkedDocument
from diskchain.storage.location import describe_location
from diskchain.storage.reference import redacted

FOREST_SCHEMA = "diskchain/forest/1"


class UserDocument(msgspec.Struct, frozen=True):
    """A disk that is on an image: its target in a document."""

    document: str
    disk: str


class ImageDocument(msgspec.Struct, frozen=True, rename="kebab"):
    """One image. ``number``: its place in ``images``, from 0; ``backing``: the number of the image it stands on; ``overlays``: of those on it.

    ``found``: it is a file of the directory that was walked through; else only something names it. ``reference``: the string by which its
    first overlay names it.
    """

    number: int
    filename: str
    type: str
    reference: str | None
    format: str | None
    virtual_size: int | None
    actual_size: int | None
    size: int | None
    backing: int | None
    overlays: tuple[int, ...]
    users: tuple[UserDocument, ...]
    found: bool
    findings: tuple[FindingDocument, ...]


class ForestDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain show --json DIR`` and ``show --json -c URI`` print. ``walked``: of a directory. ``others``: documents, and what could not be looked at, with what is to be said of it."""

    schema: str = FOREST_SCHEMA
    target: str
    walked: WalkedDocument | None = None
    images: tuple[ImageDocument, ...]
    others: tuple[TargetDocument, ...] = ()


def image_document(  # a keyword for each part
    layer: Layer,
    *,
    number: int,
    backing: int | None,
    overlays: tuple[int, ...],
    users: tuple[UserDocument, ...],
    found: bool,
    findings: tuple[FindingDocument, ...],
) -> ImageDocument:
    """The JSON form of one image."""
    source, header, facts = layer.source, layer.header, layer.facts
    return ImageDocument(
        number=number,
        filename=describe_location(source.location),
        type=str(source.location.type),
        reference=redacted(source.reference) if source.reference is not None else None,
        format=str(source.format) if source.format else None,
        virtual_size=header.capacity if header else None,
        actual_size=facts.allocated if facts else None,
        size=facts.size if facts else None,
        backing=backing,
        overlays=overlays,
        users=users,
        found=found,
        findings=findings,
    )
