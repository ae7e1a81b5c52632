"""Open one layer, read what can be read, and say what is wrong. The only part of ``discover`` that touches storage."""

from collections.abc import Callable
from os import close
from typing import TYPE_CHECKING, Final

from diskchain.discover import messages as notes
from diskchain.discover.chain import Layer, Origin
from diskchain.errors import (
    AmbiguousImage,
    DiskchainError,
    ImageError,
    NotStorage,
    StorageDenied,
    StorageError,
    StorageMissing,
    StorageTimeout,
)
from diskchain.findings import Finding
from diskchain.image.header import ImageHeader
from diskchain.image.header_cache import recognised, remember
from diskchain.image.inspect import inspect
from diskchain.image.window import HEAD, Window, window_on
from diskchain.readers.file_facts import ImageFacts
from diskchain.readers.local import LocalImage, begin, open_local
from diskchain.storage.location import (
    BlockLocation,
    DirLocation,
    FileLocation,
    NetworkLocation,
    describe_location,
    local_path,
)
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, StorageType, Unknown

if TYPE_CHECKING:
    from diskchain.image.probe import Rules
    from diskchain.readers.policy import OpenPolicy
    from diskchain.readers.remote import RemoteImage

_FILE: Final = StorageType.FILE
_RAW: Final = Format.RAW
_DIR: Final = Format.DIR
_QCOW2: Final = Format.QCOW2
#: QEMU's own headers take 600 bytes. Where memory is cold, copying 3 KiB more costs a fiftieth of all.
_QCOW2_HEAD: Final = 1024
#: How containers begin; which it is, if any, ``image.signatures`` knows. No disk a machine boots from begins like that.
_CONTAINERS: Final = (
    b"LUKS", b"QFI\xfb", b"QED\0", b"KDMV", b"COWD", b"# Disk ", b"\xbe\xba\xfe\xca", b"conectix", b"vhdxfile", b"<<< ",
    b"Withou", b"Bochs Vi", b"#!/bin/sh\n#V2", b"OOOM", b"encrcdsa",
)  # fmt: skip


#: Opens the image of a source on another host. Raises DiskchainError.
OpenElsewhere = Callable[[Source], "LocalImage | RemoteImage"]


class Look:
    """One layer while its chain is being walked: all but what is below it.

    ``asked``: as it was declared or named; ``source``: the same, with what looking at it settled. ``format``: what it was read as.
    ``fault``: nothing below it can be known. ``home``: the directory of the chain's top, without symlinks, where a policy wants to
    know.
    """

    __slots__ = (
        "asked", "data_file", "extents", "facts", "fault", "findings", "format", "header", "home", "origin", "source",
    )  # fmt: skip

    def __init__(self, source: Source, format: Format | None, origin: Origin) -> None:
        self.asked = self.source = source
        self.format = format
        self.origin = origin
        self.facts: ImageFacts | None = None
        self.header: ImageHeader | None = None
        self.findings: tuple[Finding, ...] = ()
        self.fault = False
        self.data_file: Layer | None = None
        self.extents: tuple[Layer, ...] = ()
        self.home: str | None = None

    @property
    def name(self) -> str:
        """How findings call this layer."""
        return describe_location(self.source.location)

    def note(self, found: Finding) -> None:
        """Say something about this layer."""
        self.findings = (*self.findings, found)

    def stop(self, found: Finding) -> Unknown:
        """Say why nothing below this layer can be known."""
        self.fault = True
        self.note(found)
        return Unknown.UNKNOWN


def look(
    source: Source,
    format: Format | None,
    origin: Origin,
    above: Look | None,
    elsewhere: OpenElsewhere | None = None,
    guard: "OpenPolicy | None" = None,
    *,
    headed: bool = True,
) -> Look:
    """Open ``source`` and read its header as ``format``; None: probe. Raises PolicyRefusal, of a detected source under a ``guard``.

    ``above`` is the layer that names it. ``elsewhere`` opens what is not on this host; without it, that is not looked at. ``guard``:
    the policy, if it is a narrow one. ``headed`` False: its first bytes are part of another image's data, and no header.
    """
    seen = Look(source, format, origin)
    location = source.location
    path = location.path if isinstance(location, FileLocation) else local_path(location)
    if path is None:
        if elsewhere is None or not isinstance(location, NetworkLocation):
            seen.stop(notes.not_inspected(seen.name, above.name if above else None))
        else:
            _look_elsewhere(seen, elsewhere, guard, above, headed=headed)
        return seen
    try:
        length = _QCOW2_HEAD if format is _QCOW2 else HEAD
        fd, facts, head = begin(path, length) if guard is None else _begin_guarded(seen, path, length, guard, above)
    except StorageError as error:
        seen.stop(_why_not(error, path, above))
        return seen
    seen.facts = facts
    try:
        if (facts.type is not _FILE and _is_directory(seen, facts.type)) or not headed:
            return seen
        header = recognised(head) if format is _QCOW2 and source.slice is None else None
        if header is None:
            header = _read(seen, LocalImage(path, fd, facts, head), guard, above)
        seen.header = header
        if header.encryption is not None:
            _settle_encryption(seen, header.encryption.kind)
    except ImageError as error:
        seen.stop(_misread(error, LocalImage(path, fd, facts, head), seen, above))
    except DiskchainError as error:
        seen.stop(_why_not(error, path, above))
    finally:
        if fd >= 0:
            close(fd)
    return seen


def _begin_guarded(
    seen: Look, path: str, length: int, guard: "OpenPolicy", above: Look | None
) -> tuple[int, ImageFacts, bytes]:
    from diskchain.discover.guarded import begin_guarded

    return begin_guarded(seen, path, length, guard, above)


def _look_elsewhere(
    seen: Look, elsewhere: OpenElsewhere, guard: "OpenPolicy | None", above: Look | None, *, headed: bool
) -> None:
    try:
        with elsewhere(seen.source) as image:
            seen.facts = image.facts
            if not headed:
                return
            try:
                seen.header = _read(seen, image, guard, above)
            except ImageError as error:
                seen.stop(_misread(error, image, seen, above))
    except DiskchainError as error:
        seen.stop(_why_not(error, seen.name, above))
    else:
        if seen.header is not None and seen.header.encryption is not None:
            _settle_encryption(seen, seen.header.encryption.kind)


class _OutsideContainer(ImageError):
    """A slice ends behind its container. Never leaves this module."""


def _bytes_of(seen: Look, image: Window) -> Window:
    """The bytes the format is read from: those of the slice, if there is one. A slice of size 0 goes to the end."""
    part = seen.source.slice
    if part is None:
        return image
    size = part.size or image.size - part.offset
    if size < 0 or part.offset + size > image.size:
        raise _OutsideContainer(
            f"its slice ends at byte {part.offset + max(0, size)}, but it has only {image.size} bytes"
        )
    return window_on(image, part.offset, size)


def _read(
    seen: Look, container: "LocalImage | RemoteImage", guard: "OpenPolicy | None", above: Look | None
) -> ImageHeader:
    image = _bytes_of(seen, container)
    format = seen.format
    if format is None:
        format = _guess(seen, image, guard, above)
    if format is _RAW and image.head.startswith(_CONTAINERS):
        return _read_raw(image)
    header = inspect(image, format)
    if format is _QCOW2:
        remember(image.head, header)
    return header


def _read_raw(image: Window) -> ImageHeader:
    """The header of a raw image that does not begin as a disk does: LUKS makes it another one, anything else is a remark."""
    from diskchain.image.magic import headed_format

    looks_like = headed_format(image)
    if looks_like is Format.LUKS:
        return inspect(image, looks_like)
    header = inspect(image, _RAW)
    if looks_like is None:
        return header
    return header._replace(remarks=(("format-mismatch", f"begins like a {looks_like} image"),))


def _is_directory(seen: Look, type: StorageType) -> bool:
    """A detected file may turn out to be a block device or a directory on this host: settle that."""
    location = seen.source.location
    if type is StorageType.DIR:
        seen.format = Format.DIR
    if type is StorageType.DIR and seen.source.detected and seen.source.format is None:
        seen.source = seen.source._replace(format=Format.DIR)
    if seen.source.detected and isinstance(location, FileLocation):
        found = BlockLocation(location.path) if type is StorageType.BLOCK else DirLocation(location.path)
        seen.source = seen.source._replace(location=found, format=seen.format)
    return seen.format is _DIR


def _guess(seen: Look, image: Window, guard: "OpenPolicy | None", above: Look | None) -> Format:
    from diskchain.image.probe import guess, guess_alone

    alone = above is None and guard is None
    format = guess_alone(image) if alone else guess(image, "libvirt" if guard is None else guard.probing)
    seen.format = format
    seen.source = seen.source._replace(format=format)
    return format


def _settle_encryption(seen: Look, kind: str) -> None:
    """As libvirt, take over an encryption it finds in a header and nobody declared: the format, without a secret."""
    if seen.source.encryption is not None:
        return
    from diskchain.storage.encryption import Encryption, EncryptionFormat

    known = {"aes": EncryptionFormat.QCOW, "luks1": EncryptionFormat.LUKS, "luks2": EncryptionFormat.LUKS2}.get(kind)
    if known is not None:
        seen.source = seen.source._replace(encryption=Encryption(known))


def looks_like(path: str, rules: "Rules" = "libvirt") -> Format | None:
    """What the bytes of ``path`` look like; None when they cannot be read. Decides nothing: for a warning only.

    Raises AmbiguousImage under ``untrusted`` rules.
    """
    from diskchain.image.probe import guess

    try:
        with open_local(path) as image:
            return guess(image, rules)
    except AmbiguousImage:
        raise
    except DiskchainError:
        return None


def _why_not(error: DiskchainError, path: str, above: Look | None) -> Finding:
    referrer = above.name if above else None
    if isinstance(error, StorageMissing):
        return notes.missing(path, referrer, _put_right(above))
    if isinstance(error, NotStorage):
        return notes.not_storage(path, referrer, error.problem)
    if isinstance(error, StorageDenied):
        return notes.unreadable(path, referrer, error.problem)
    if isinstance(error, StorageTimeout):
        return notes.timeout(path, referrer, error.problem)
    return notes.unreadable(path, referrer, getattr(error, "problem", str(error)))


def _put_right(above: Look | None) -> str | None:
    """What tells ``above`` of another backing file, if it is its header that names it."""
    if above is None or above.source.backing is not Unknown.UNKNOWN:
        return None
    from diskchain.discover.fixes import tell_backing

    return tell_backing(above.name, above.format)


def _misread(error: ImageError, window: Window, seen: Look, above: Look | None) -> Finding:
    referrer = above.name if above else None
    if isinstance(error, AmbiguousImage):
        return notes.ambiguous(seen.name, error.problem)
    if isinstance(error, _OutsideContainer):
        return notes.malformed(seen.name, referrer, str(error))
    if seen.format is not None and (guess := _another_format(_bytes_of(seen, window), seen.format)) is not None:
        return notes.format_mismatch(seen.name, referrer, seen.format, guess)
    return notes.malformed(seen.name, referrer, str(error))


def _another_format(image: Window, format: Format) -> Format | None:
    """What ``image`` looks like, if it has no signature of ``format`` at either end; None: it has, or cannot be read again."""
    from diskchain.image.magic import candidates
    from diskchain.image.probe import probe

    try:
        guess = probe(image)
        return guess if guess is not format and format not in candidates(image)[0] else None
    except DiskchainError:
        return None
