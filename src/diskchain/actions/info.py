"""Everything one image header says, and what a raw image holds. Opens nothing that the header names."""

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from diskchain.actions.target import TargetName, begins_document, is_document, is_stream
from diskchain.errors import ImageError, StorageError, UsageError, printable
from diskchain.image.header import ImageHeader
from diskchain.image.inspect import inspect, missing_areas
from diskchain.image.raw_content import Content
from diskchain.image.window import Window
from diskchain.readers.file_facts import ImageFacts
from diskchain.readers.local import open_local, storage_error
from diskchain.storage.terms import Format, StorageType
from diskchain.system.deadline import DEFAULT_DEADLINE, within

if TYPE_CHECKING:
    from diskchain.image.probe import Rules
    from diskchain.readers.open import Image

_PIECE: Final = 1 << 20
#: What a pipe may bring: it is kept in TMPDIR.
_LARGEST_STREAM: Final = 16 << 30


@dataclass(frozen=True, slots=True)
class HeaderReport:
    """One image. ``content``: of a raw one, None where it cannot be read. ``guessed``: nobody declared the format."""

    header: ImageHeader
    facts: ImageFacts
    content: Content | None
    guessed: bool


def read_header(
    path: str,
    format: Format | None = None,
    *,
    rules: "Rules" = "libvirt",
    seconds: float = DEFAULT_DEADLINE,
) -> HeaderReport:
    """The header of the image at ``path``, read in full. Without a ``format`` it is guessed.

    ``rules``: as libvirt and QEMU would guess, or refusing what could be taken for more than one format (``untrusted``). Raises UsageError
    for what is no image: a directory, a document, an empty name; ImageError, StorageError.
    """
    if not path:
        raise UsageError("an empty name is no image")
    if is_stream(path):
        return _of_stream(path, format, rules)
    if ":" in path:
        from diskchain.actions.reference_target import is_reference

        if is_reference(path):
            return _of_reference(path, format, rules, seconds)
    if format is None and is_document(path, seconds):
        raise UsageError(f"{printable(path)} is a document, not an image; -f raw reads it as an image")
    return within(seconds, path, lambda: _read(path, format, rules))


def _of_reference(path: str, format: Format | None, rules: "Rules", seconds: float) -> HeaderReport:
    """The image that a URL or another reference names, which is asked for because a user named it."""
    from diskchain.actions.reference_target import reference_target
    from diskchain.qemu.bridge import Bridge
    from diskchain.readers.open import open_location
    from diskchain.storage.location import local_path

    target = reference_target(TargetName(path, format=format))
    here = local_path(target.source.location)
    if here is not None:
        return within(seconds, here, lambda: _read(here, target.source.format, rules))
    with Bridge() as bridge, open_location(target.source.location, timeout=seconds, bridge=bridge) as image:
        return _reported(image, target.name, target.source.format, rules)


def _of_stream(path: str, format: Format | None, rules: "Rules") -> HeaderReport:
    """What comes through a pipe, kept in a temporary file that has no name; a file that is standard input is read where it lies."""
    import os
    import tempfile

    number = 0 if path in ("-", "/dev/stdin") else int(path.rpartition("/")[2])
    try:
        if stat.S_ISREG(os.fstat(number).st_mode):
            return _of_descriptor(number, path, format, rules)
        with tempfile.TemporaryFile() as kept, os.fdopen(os.dup(number), "rb") as stream:
            while piece := stream.read(_PIECE):
                if kept.tell() > _LARGEST_STREAM:
                    raise UsageError(
                        f"more than {_LARGEST_STREAM >> 30} GiB come through {printable(path)}: name a file"
                    )
                kept.write(piece)
            kept.flush()
            return _of_descriptor(kept.fileno(), path, format, rules)
    except OSError as error:
        raise storage_error(error, path) from error


def _of_descriptor(number: int, path: str, format: Format | None, rules: "Rules") -> HeaderReport:
    with open_local(f"/proc/self/fd/{number}") as image:
        if format is None and begins_document(image.head, path):
            raise UsageError(f"{printable(path)} is a document, not an image; -f raw reads it as an image")
        return _reported(image, path, format, rules)


def _read(path: str, format: Format | None, rules: "Rules") -> HeaderReport:
    with open_local(path) as image:
        if image.facts.type is StorageType.DIR:
            raise UsageError(f"{printable(path)} is a directory, not an image")
        return _reported(image, path, format, rules)


def _reported(image: "Image", path: str, format: Format | None, rules: "Rules") -> HeaderReport:
    window = image.window()
    known = _guess(window, rules, path) if format is None else format
    try:
        header = inspect(window, known, full=True)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    content = _content(image.window()) if known is Format.RAW else None
    header = header._replace(remarks=header.remarks + _missing(image.window(), header))
    return HeaderReport(header, image.facts, content, guessed=format is None)


def _guess(window: Window, rules: "Rules", path: str) -> Format:
    from diskchain.image.probe import guess_alone, probe, starts_with_luks

    format = probe(window, "untrusted") if rules == "untrusted" else guess_alone(window, path)
    return Format.LUKS if format is Format.RAW and starts_with_luks(window) else format


def _missing(window: Window, header: ImageHeader) -> tuple[tuple[str, str], ...]:
    """A remark on areas that end behind the file, as ``check`` finds them; none where the tables cannot be read."""
    from diskchain.checks.file_messages import too_short
    from diskchain.checks.refused import refused_by_qemu

    try:
        areas = missing_areas(window, header.format)
    except (ImageError, StorageError):
        return ()
    return (("truncated", too_short(window.size, areas, opens=not refused_by_qemu(header))),) if areas else ()


def _content(window: Window) -> Content | None:
    """What a raw image holds, which changes nothing about its being raw; None where the disk cannot be read."""
    from diskchain.image.raw_content import examine

    try:
        return examine(window)
    except StorageError:
        return None
