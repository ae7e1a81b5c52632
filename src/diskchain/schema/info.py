"""``diskchain info --json``: schema ``diskchain/info/1``."""

from dataclasses import fields, is_dataclass
from typing import Any

import msgspec

from diskchain.image.header import ImageHeader
from diskchain.image.raw_content import Content
from diskchain.readers.file_facts import ImageFacts
from diskchain.storage.reference import redacted

INFO_SCHEMA = "diskchain/info/1"


class InfoDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What ``diskchain info --json`` prints: one header. Keys as in :class:`diskchain.image.header.ImageHeader`.

    ``content``: what a raw image holds, keys as in :class:`diskchain.image.raw_content.Content`; null for all others.
    """

    schema: str = INFO_SCHEMA
    filename: str
    format: str
    format_guessed: bool
    version: int | None
    virtual_size: int
    actual_size: int | None
    size: int
    cluster_size: int | None
    backing_filename: str | None
    backing_filename_format: str | None
    data_file: str | None
    data_file_raw: bool
    encryption: dict[str, Any] | None
    features: dict[str, list[str]]
    dirty: bool
    corrupt: bool
    snapshots: list[dict[str, Any]]
    bitmaps: list[dict[str, Any]]
    extents: list[dict[str, Any]]
    identity: dict[str, Any] | None
    format_specific: dict[str, Any]
    remarks: list[dict[str, str]]
    content: dict[str, Any] | None = None


def info_document(
    name: str, header: ImageHeader, facts: ImageFacts, content: Content | None = None, *, guessed: bool
) -> InfoDocument:
    """The JSON form of one header. ``content``: of a raw image."""
    return InfoDocument(
        filename=name,
        format=str(header.format),
        format_guessed=guessed,
        version=header.version,
        virtual_size=header.capacity,
        actual_size=facts.allocated,
        size=facts.size,
        cluster_size=header.cluster_size,
        backing_filename=redacted(header.backing.text) if header.backing else None,
        backing_filename_format=header.backing.format if header.backing else None,
        data_file=redacted(header.data_file) if header.data_file is not None else None,
        data_file_raw=header.data_file_raw,
        encryption=_plain(header.encryption) if header.encryption else None,
        features=_plain(header.features) if header.features else {},
        dirty=header.dirty,
        corrupt=header.corrupt,
        snapshots=[_plain(snapshot) for snapshot in header.snapshots],
        bitmaps=[_plain(bitmap) for bitmap in header.bitmaps],
        extents=[_plain(extent) for extent in header.extents],
        identity=_plain(header.identity) if header.identity else None,
        format_specific={key.replace(" ", "-"): value for key, value in header.details},
        remarks=[{"id": kind, "message": message} for kind, message in header.remarks],
        content=_plain(content) if content is not None else None,
    )


def _plain(value: Any) -> Any:
    """A value as a JSON object, whatever is in it."""
    names = [field.name for field in fields(value)] if is_dataclass(value) else getattr(value, "_fields", None)
    if names is not None:
        return {name.replace("_", "-"): _plain(getattr(value, name)) for name in names}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value
