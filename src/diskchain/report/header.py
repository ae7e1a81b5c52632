"""One image header as lines for a terminal: everything it says, in the order people ask for it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from diskchain.errors import printable
from diskchain.image.bitmap import Bitmap
from diskchain.image.encryption import ImageEncryption
from diskchain.image.header import Features, Identity, ImageHeader
from diskchain.image.snapshot import Snapshot
from diskchain.readers.file_facts import ImageFacts
from diskchain.report.references import shown_reference
from diskchain.units import human_size

if TYPE_CHECKING:
    from diskchain.image.raw_content import Content


def header_lines(
    name: str, header: ImageHeader, facts: ImageFacts, content: "Content | None" = None, *, guessed: bool
) -> Iterator[str]:
    """The lines of ``diskchain info``. ``content``: of a raw image. ``guessed``: nobody declared the format."""
    yield f"image: {printable(name)}"
    yield f"format: {header.format}{' (guessed from the header)' if guessed else ''}"
    if header.version is not None:
        yield f"version: {header.version}"
    yield f"capacity: {_size(header.capacity)}"
    yield f"container: {facts.type}, {_size(facts.size)}" + (
        f", {_size(facts.allocated)} in use" if facts.allocated is not None else ""
    )
    if header.cluster_size is not None:
        yield f"cluster size: {header.cluster_size}"
    if header.backing is not None:
        recorded = header.backing.format
        said = (
            "not recorded"
            if recorded is None
            else printable(recorded) + (" (implied)" if header.backing.implied else "")
        )
        yield f"backing file: {shown_reference(header.backing.text)}, format {said}"
    if header.data_file is not None:
        yield f"data file: {shown_reference(header.data_file)}{' (raw)' if header.data_file_raw else ''}"
    for extent in header.extents:
        at = f" from {extent.offset}" if extent.offset else ""
        access = f" {extent.access}" if extent.access else ""
        yield f"extent: {shown_reference(extent.name)}, {extent.kind}{access}, {_size(extent.size)}{at}"
    yield from _state(header)
    yield from _features(header.features)
    yield from _encryption(header.encryption)
    yield from _identity(header.identity)
    for key, value in header.details:
        yield f"{key}: {printable(str(value).lower() if isinstance(value, bool) else str(value))}"
    yield from map(_bitmap, header.bitmaps)
    yield from map(_snapshot, header.snapshots)
    if content is not None:
        yield from _content(content)
    for kind, message in header.remarks:
        yield f"note: {message} [{kind}]"


def _content(content: "Content") -> Iterator[str]:
    """What a raw image holds; lines begin with ``holds``, since they are no header's."""
    if content.other is not None:
        yield f"no disk image by how it begins: it is {content.other}"
    if content.signatures:
        yield f"holds the signature of: {', '.join(content.signatures)}"
    if content.iso_volume is not None:
        yield f"holds an ISO 9660 volume: {printable(content.iso_volume)}"
    if content.encryption is not None:
        yield from (f"holds {line}" for line in _encryption(content.encryption))
    table = content.partition_table
    if table is not None:
        broken = "" if table.sound else ", its checksums are wrong"
        yield f"holds a partition table: {table.scheme}{f', id {table.guid}' if table.guid else ''}{broken}"
        for number, part in enumerate(table.partitions, start=1):
            label = f", {printable(part.name)}" if part.name else ""
            yield f"partition {number}: from {part.start}, {_size(part.size)}, type {part.kind}{label}"


def _size(size: int) -> str:
    return f"{size} bytes" if size < 1024 else f"{human_size(size)} ({size} bytes)"  # noqa: PLR2004 - the first unit


def _state(header: ImageHeader) -> Iterator[str]:
    if header.dirty:
        yield "dirty: it was not closed properly"
    if header.corrupt:
        yield "corrupt: it was marked as damaged"


def _features(features: Features | None) -> Iterator[str]:
    if features is None:
        return
    for kind, names in (
        ("incompatible", features.incompatible),
        ("compatible", features.compatible),
        ("autoclear", features.autoclear),
        ("unknown", features.unknown_incompatible),
    ):
        if names:
            yield f"{kind} features: {', '.join(map(printable, names))}"


def _encryption(encryption: ImageEncryption | None) -> Iterator[str]:
    if encryption is None:
        return
    parts = (encryption.kind, encryption.cipher, encryption.hash, encryption.uuid and f"uuid {encryption.uuid}")
    yield "encryption: " + ", ".join(printable(part) for part in parts if part)
    if encryption.payload_offset is not None:
        yield f"encrypted payload from: {encryption.payload_offset}"
    for slot in encryption.slots or ():
        if slot.active:
            yield f"key slot {slot.number}: {slot.kdf or 'in use'}" + (
                f", {slot.iterations} iterations" if slot.iterations is not None else ""
            )


def _identity(identity: Identity | None) -> Iterator[str]:
    if identity is None:
        return
    for label, value in (
        ("id", identity.own),
        ("content id", identity.own_state),
        ("parent id", identity.parent),
        ("or parent id", identity.parent_or),
        ("parent content id", identity.parent_state),
    ):
        if value is not None:
            yield f"{label}: {printable(value)}"
    if identity.parent_time is not None:
        yield f"parent changed: {_moment(identity.parent_time)}"
    for name in identity.parent_names:
        yield f"parent name: {shown_reference(name)}"


def _bitmap(bitmap: Bitmap) -> str:
    flags = f", {', '.join(bitmap.flags)}" if bitmap.flags else ""
    return f"bitmap: {printable(bitmap.name)}, granularity {bitmap.granularity}{flags}"


def _snapshot(snapshot: Snapshot) -> str:
    state = f", {human_size(snapshot.vm_state_size)} of VM state" if snapshot.vm_state_size else ""
    return f"snapshot: {printable(snapshot.id)} {printable(snapshot.name)}, {_moment(snapshot.date)}{state}"


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s after 1970"
