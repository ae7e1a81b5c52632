"""Open one layer, read what can be read, and say what is wrong. The only part of ``discover`` that touches storage."""

from os import pread
from os.path import dirname
from typing import TYPE_CHECKING, Final

from diskchain.discover import messages as notes
from diskchain.discover.partial_layer import Closer, OpenElsewhere, PartialLayer
from diskchain.errors import (
    AmbiguousImage,
    DiskchainError,
    ImageError,
    LoginRefused,
    NotAsked,
    NotStorage,
    PolicyRefusal,
    StorageDenied,
    StorageError,
    StorageMissing,
    StorageTimeout,
)
from diskchain.findings import Finding
from diskchain.image.header import ImageHeader
from diskchain.image.header_cache import recognised, remember
from diskchain.image.inspect import inspect
from diskchain.image.iso9660 import ISO_IDENTIFIER, ISO_IDENTIFIER_AT
from diskchain.image.probe import could_be_iso, guess, guess_alone, is_qcow2, probe
from diskchain.image.window import HEAD, Window, window_on
from diskchain.readers.file_facts import ImageFacts
from diskchain.readers.local import LocalImage, begin, open_local, release, storage_error
from diskchain.storage.location import (
    BlockLocation,
    DirLocation,
    FileLocation,
    NetworkLocation,
    local_path,
)
from diskchain.storage.source import with_format
from diskchain.storage.terms import Format, StorageType

if TYPE_CHECKING:
    from diskchain.image.probe import Rules
    from diskchain.readers.open import Image
    from diskchain.readers.policy import OpenPolicy

_FILE: Final = StorageType.FILE
_RAW: Final = Format.RAW
_DIR: Final = Format.DIR
_QCOW2: Final = Format.QCOW2
#: QEMU's own qcow2 headers take 600 bytes. Where memory is cold, copying 3 KiB more costs a fiftieth of all.
_SHORT_HEAD: Final = 1024
#: How containers begin; which it is, if any, ``image.signatures`` knows. No disk a machine boots from begins like that.
_CONTAINERS: Final = (
    b"LUKS", b"QFI\xfb", b"QED\0", b"KDMV", b"COWD", b"# Disk ", b"\xbe\xba\xfe\xca", b"conectix", b"vhdxfile", b"<<< ",
    b"Withou", b"Bochs Vi", b"#!/bin/sh\n#V2", b"OOOM", b"encrcdsa",
)  # fmt: skip


def read_layer(
    step: PartialLayer,
    elsewhere: OpenElsewhere | None,
    guard: "OpenPolicy | None",
    closer: Closer | None = None,
    *,
    headed: bool = True,
) -> None:
    """Open ``step`` and read its header as its format says; None: probe. Raises PolicyRefusal, of a detected source under a ``guard``.

    ``elsewhere`` opens what is not on this host; without it, that is not looked at. ``guard``: the policy, if it is a narrow one.
    ``closer`` sees what could be read while it is open. ``headed`` False: its first bytes are part of another image's data, and no header.
    """
    source, format = step.source, step.format
    location = source.location
    path = step.opened or (location.path if isinstance(location, FileLocation) else local_path(location))
    if path is None:
        if elsewhere is None or not isinstance(location, NetworkLocation):
            remote = isinstance(location, NetworkLocation)
            step.stop(notes.not_inspected(step.name, step.referrer, remote=remote))
        else:
            _read_elsewhere(step, elsewhere, guard, closer, headed=headed)
        return
    try:
        length = _SHORT_HEAD if format is _QCOW2 or format is None else HEAD
        free = guard is None and step.root is None
        fd, facts, head = begin(path, length) if free else _begin_guarded(step, path, length, guard)
    except StorageError as error:
        step.stop(_why_not(error, step))
        return
    step.facts = facts
    try:
        if (facts.type is not _FILE and _is_directory(step, facts.type)) or not headed:
            return
        header = (
            None
            if source.slice is not None
            else recognised(head)
            if format is _QCOW2
            else _guessed(step, fd, head, facts.size)
            if format is None and guard is None
            else None
        )
        if header is None:
            header = _read_header(step, LocalImage(path, fd, facts, head), guard)
        step.header = header
        if header is not None and (closer is not None or header.encryption is not None):
            _look_closer(step, header, LocalImage(path, fd, facts, head), closer)
    except DiskchainError as error:
        step.stop(_why_not(error, step))
    except OSError as error:
        step.stop(_why_not(storage_error(error, path), step))
    finally:
        if fd >= 0:
            release(fd)


def _guessed(step: PartialLayer, fd: int, head: bytes, size: int) -> ImageHeader | None:
    """The header of what libvirt's rules take for a qcow2 image, if it is like one before: nearly every image is. None: look closer."""
    header = recognised(head) if is_qcow2(head) else None
    if header is not None:
        if could_be_iso(size) and pread(fd, len(ISO_IDENTIFIER), ISO_IDENTIFIER_AT) == ISO_IDENTIFIER:
            return None
        step.format, step.source = _QCOW2, with_format(step.source, _QCOW2)
    return header


def _begin_guarded(
    step: PartialLayer, path: str, length: int, policy: "OpenPolicy | None"
) -> tuple[int, ImageFacts, bytes]:
    """As :func:`diskchain.readers.local.begin`, of a copy that must lie in its root, or under a narrow policy.

    The policy has a say where a header names the file. ``step`` learns its ``home``, the top from where it is. Raises PolicyRefusal as well.
    """
    from diskchain.readers.open_beneath import begin_pinned
    from diskchain.readers.policy import refusal_of_file

    def learn(real: str, type: StorageType | None) -> None:  # noqa: ARG001
        step.home = dirname(real)

    if step.root is not None:
        from diskchain.readers.open_beneath import begin_inside

        step.home = dirname(path) if step.above is None else step.above.home
        if policy is not None and step.source.detected and policy.asks_for_the_file:
            rule = refusal_of_file(policy, path, None, step.home)
            if rule is not None:
                raise PolicyRefusal(f"{path}: {rule}", reference=path, rule=rule)
        return begin_inside(path, step.root, length)
    assert policy is not None  # noqa: S101 (else nothing is guarded)
    if step.above is None:
        return begin(path, length) if policy.directories != () else begin_pinned(path, length, learn)
    step.home = step.above.home
    if not (step.source.detected and policy.asks_for_the_file):
        return begin(path, length)
    return begin_pinned(path, length, lambda real, type: refusal_of_file(policy, real, type, step.home))


def _read_elsewhere(
    step: PartialLayer,
    elsewhere: OpenElsewhere,
    guard: "OpenPolicy | None",
    closer: Closer | None,
    *,
    headed: bool,
) -> None:
    from diskchain.storage.reference.trust import believed

    step.believed = believed(step.source, step.above.believed if step.above else None)
    try:
        with elsewhere(step.source._replace(location=step.believed)) as image:
            step.facts = image.facts
            _note_redirect(step, image)
            if headed:
                step.header = _read_header(step, image, guard)
            if step.header is not None:
                _look_closer(step, step.header, image, closer)
    except DiskchainError as error:
        _note_redirect(step, error)
        step.stop(_why_not(error, step))
    except OSError as error:
        step.stop(_why_not(storage_error(error, step.name), step))


def _read_header(step: PartialLayer, image: "Image", guard: "OpenPolicy | None") -> ImageHeader | None:
    """The header; None where the bytes hold none, which is a finding then. Raises StorageError."""
    try:
        return _parse(step, image.window(), guard)
    except ImageError as error:
        step.stop(_misread(error, image.window(), step))
        return None


def _note_redirect(step: PartialLayer, answered: "Image | DiskchainError") -> None:
    """Say it when another server than the one that is named had the last word."""
    moved_to = getattr(answered, "moved_to", None)
    if moved_to is not None:
        step.note(notes.redirected(step.name, moved_to))


class _OutsideContainer(ImageError):
    """A slice ends behind its container. Never leaves this module."""


def bytes_of(step: PartialLayer, image: Window) -> Window:
    """The bytes the format is read from: those of the slice, if there is one. A slice of size 0 goes to the end."""
    part = step.source.slice
    if part is None:
        return image
    size = part.size or image.size - part.offset
    if size < 0 or part.offset + size > image.size:
        raise _OutsideContainer(
            f"its slice ends at byte {part.offset + max(0, size)}, but it has only {image.size} bytes"
        )
    return window_on(image, part.offset, size)


def _parse(step: PartialLayer, container: Window, guard: "OpenPolicy | None") -> ImageHeader:
    image = bytes_of(step, container)
    format = step.format
    if format is None:
        format = _guess(step, image, guard)
        if format is _QCOW2 and (known := recognised(image.head)) is not None:
            return known
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


def _is_directory(step: PartialLayer, type: StorageType) -> bool:
    """A detected file may turn out to be a block device or a directory on this host: settle that."""
    location = step.source.location
    if type is StorageType.DIR:
        step.format = Format.DIR
    if type is StorageType.DIR and step.source.detected and step.source.format is None:
        step.source = step.source._replace(format=Format.DIR)
    if step.source.detected and isinstance(location, FileLocation):
        found = BlockLocation(location.path) if type is StorageType.BLOCK else DirLocation(location.path)
        step.source = step.source._replace(location=found, format=step.format)
    return step.format is _DIR


def _guess(step: PartialLayer, image: Window, guard: "OpenPolicy | None") -> Format:
    alone = step.above is None and guard is None
    format = guess_alone(image, step.name) if alone else guess(image, "libvirt" if guard is None else guard.probing)
    step.format = format
    step.source = with_format(step.source, format)
    return format


def _look_closer(step: PartialLayer, header: ImageHeader, image: "Image", closer: Closer | None) -> None:
    if header.encryption is not None:
        _settle_encryption(step, header.encryption.kind)
    if closer is not None:
        closer(step, image)


def _settle_encryption(step: PartialLayer, kind: str) -> None:
    """As libvirt, take over an encryption it finds in a header and nobody declared: the format, without a secret."""
    if step.source.encryption is not None:
        return
    from diskchain.storage.encryption import Encryption, EncryptionFormat

    known = {"aes": EncryptionFormat.QCOW, "luks1": EncryptionFormat.LUKS, "luks2": EncryptionFormat.LUKS2}.get(kind)
    if known is not None:
        step.source = step.source._replace(encryption=Encryption(known))


def looks_like(path: str, rules: "Rules" = "libvirt") -> Format | None:
    """What the bytes of ``path`` look like; None when they cannot be read. Decides nothing: for a warning only.

    Raises AmbiguousImage under ``untrusted`` rules.
    """
    try:
        with open_local(path) as image:
            return guess(image.window(), rules)
    except AmbiguousImage:
        raise
    except DiskchainError:
        return None


def _why_not(error: DiskchainError, step: PartialLayer) -> Finding:
    name, referrer = step.name, step.referrer
    path = step.path
    problem: str = getattr(error, "problem", str(error))
    if isinstance(error, NotAsked):
        return notes.not_inspected(name, referrer, remote=True)
    if isinstance(error, StorageMissing):
        return notes.missing(name, referrer, _why_missing(path, step))
    if isinstance(error, NotStorage):
        return notes.not_storage(name, referrer, problem)
    if isinstance(error, StorageTimeout):
        return notes.timeout(name, referrer, problem)
    if path is None:
        is_the_files = isinstance(error, StorageDenied) and not isinstance(error, LoginRefused)
        return notes.unreadable(name, referrer, problem) if is_the_files else notes.unreachable(name, referrer, problem)
    if isinstance(error, StorageDenied):
        from diskchain.discover.reasons import why_denied

        problem = why_denied(path, problem)
    return notes.unreadable(name, referrer, problem)


def _why_missing(path: str | None, step: PartialLayer) -> str:
    if path is None:
        return ""
    from diskchain.discover.reasons import why_missing

    return why_missing(path, step.source.reference if step.source.detected else None)


def _misread(error: ImageError, window: Window, step: PartialLayer) -> Finding:
    referrer = step.referrer
    if isinstance(error, AmbiguousImage):
        return notes.ambiguous(step.name, error.problem)
    if isinstance(error, _OutsideContainer):
        return notes.malformed(step.name, referrer, str(error))
    if step.format is not None and (other := _another_format(bytes_of(step, window), step.format)) is not None:
        return notes.format_mismatch(
            step.name, referrer, step.format, other, _other_file(bytes_of(step, window), other)
        )
    return notes.malformed(step.name, referrer, str(error))


def _another_format(image: Window, format: Format) -> Format | None:
    """What ``image`` looks like, if it has no signature of ``format`` at either end; None: it has, or cannot be read again."""
    from diskchain.image.magic import candidates, headed_format

    try:
        guessed = probe(image)
        if guessed is _RAW:
            guessed = headed_format(image) or _RAW
        return guessed if guessed is not format and format not in candidates(image)[0] else None
    except DiskchainError:
        return None


def _other_file(image: Window, looks_like: Format) -> str | None:
    """What a file without a known header is instead of a disk; None: it has one, or nobody can tell."""
    from diskchain.image.other_files import other_file

    try:
        return other_file(image) if looks_like is _RAW else None
    except StorageError:
        return None
