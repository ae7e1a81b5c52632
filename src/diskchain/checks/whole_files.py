"""Look closer at every image of a chain: is all of it there, and is it a disk image at all? A few bounded reads each.

The header is read in full; the areas that it and its tables name are compared with the length of the file. What would take reading all
tables is not for this. Called by ``closer``, which passes over what is in order at first sight.
"""

from typing import TYPE_CHECKING, Final

from diskchain.checks import file_messages as words
from diskchain.checks.refused import refused_by_qemu
from diskchain.discover import messages as notes
from diskchain.discover.layer_reader import bytes_of
from diskchain.discover.partial_layer import PartialLayer
from diskchain.errors import ImageError, StorageError
from diskchain.image.header import ImageHeader
from diskchain.image.inspect import inspect, missing_areas
from diskchain.storage.terms import Format

if TYPE_CHECKING:
    from diskchain.readers.open import Image

_RAW: Final = Format.RAW
_QCOW2: Final = Format.QCOW2


def examine_file(step: PartialLayer, image: "Image") -> None:
    """Note what is missing of ``image``, or what it is instead, as findings of ``step``; its header becomes the full one."""
    header = step.header
    if header is None:
        return
    try:
        if header.format is _RAW:
            from diskchain.checks.raw_files import examine_raw

            examine_raw(step, image)
            return
        window = bytes_of(step, image.window())
        areas = missing_areas(window, header.format)
        if areas:
            opens = not refused_by_qemu(header)
            cut = words.truncated(step.name, header.format, window.size, areas, opens=opens, written=image.is_written)
            step.note(cut)
        if header.format is Format.PARALLELS:
            _look_beside(step)
        if header.format is not _QCOW2 or _has_more(header):
            _read_in_full(step, image, header, cut=areas != [])
    except ImageError as error:
        step.note(notes.malformed(step.name, None, str(error)))
    except StorageError as error:
        step.note(words.unreadable_table(step.name, error.problem))


def _has_more(header: ImageHeader) -> bool:
    """Whether a qcow2 image has tables that are read for a full header alone."""
    features = header.features
    return bool(
        header.snapshot_count or header.encryption or (features is not None and "bitmaps" in features.autoclear)
    )


def _read_in_full(step: PartialLayer, image: "Image", header: ImageHeader, *, cut: bool) -> None:
    """Read what a quick look leaves out, and judge that. Of a file that was ``cut``, what is missing is told already."""
    try:
        step.header = header = inspect(bytes_of(step, image.window()), header.format, full=True)
    except ImageError:
        if not cut:
            raise
    in_use = [bitmap.name for bitmap in header.bitmaps if "in-use" in bitmap.flags]
    if in_use:
        step.note(words.bitmap_in_use(step.name, in_use, written=image.is_written))


def _look_beside(step: PartialLayer) -> None:
    """Whether a Parallels image is all of its disk, by the descriptor in its directory."""
    path = step.path
    if path is None:
        return
    from diskchain.checks.parallels_bundle import place_in_bundle

    place = place_in_bundle(path)
    if place is not None and place.parent is not None:
        step.note(words.parallels_delta(path, place.parent))
    if place is not None and place.parts > 1:
        step.note(words.parallels_part(path, place.parts))
