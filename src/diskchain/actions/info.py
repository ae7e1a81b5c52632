"""Everything one image header says, and what a raw image holds. Opens nothing that the header names."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from diskchain.actions.target import is_document
from diskchain.errors import ImageError, StorageError, UsageError, printable
from diskchain.image.header import ImageHeader
from diskchain.image.inspect import inspect, missing_areas
from diskchain.image.raw_content import Content
from diskchain.image.window import Window
from diskchain.readers.file_facts import ImageFacts
from diskchain.readers.local import open_local
from diskchain.storage.terms import Format, StorageType
from diskchain.system.deadline import DEFAULT_DEADLINE, within

if TYPE_CHECKING:
    from diskchain.image.probe import Rules


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
    if format is None and is_document(path, seconds):
        raise UsageError(f"{printable(path)} is a document, not an image; -f raw reads it as an image")
    return within(seconds, path, lambda: _read(path, format, rules))


def _read(path: str, format: Format | None, rules: "Rules") -> HeaderReport:
    with open_local(path) as image:
        if image.facts.type is StorageType.DIR:
            raise UsageError(f"{printable(path)} is a directory, not an image")
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
