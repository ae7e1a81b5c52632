"""A file that is read as one format and begins like another: was that a slip, or did a guest write it? Reads the header once more.

A guest may write onto its raw disk what it likes, also the header of an image that names ``/etc/shadow`` (CVE-2008-2004), so nothing here
is followed and nothing decided: it is said what speaks for either. Bounded: one header, and two reads of a qcow2's refcounts.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from diskchain.errors import DiskchainError, ImageError
from diskchain.image.formats.qcow2.counted import accounts_for_its_end
from diskchain.image.inspect import inspect
from diskchain.image.magic import headed_format
from diskchain.image.probe import probe
from diskchain.image.window import Window
from diskchain.readers.local import open_local
from diskchain.storage.terms import Format
from diskchain.system.deadline import within
from diskchain.units import human_size

_SECTOR: Final = 512


class Verdict(StrEnum):
    """What the evidence speaks for."""

    CONTAINER = "container"
    RAW = "raw"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a file is by its first bytes. ``size``: of the file; ``capacity``: of the disk that the header promises, None: it makes no sense.

    ``format`` is raw where it begins like no image. ``why``: the evidence, a part of a sentence; empty: there is none.
    """

    format: Format
    size: int
    capacity: int | None
    verdict: Verdict
    why: str = ""


def claim_of(path: str, overlay: int | None, *, seconds: float) -> Claim | None:
    """What the file at ``path`` claims to be; None: it cannot be read. ``overlay``: the capacity of the image above it, if any."""
    try:
        return within(seconds, path, partial(_claim, path, overlay))
    except DiskchainError:
        return None


def _claim(path: str, overlay: int | None) -> Claim:
    with open_local(path) as image:
        window = image.window()
        format = headed_format(window) or probe(window)
        if format in (Format.RAW, Format.ISO, Format.LUKS):
            return _no_image(window.size, overlay)
        try:
            capacity = inspect(window, format).capacity
        except ImageError as error:
            return Claim(format, window.size, None, Verdict.UNCLEAR, f"as {format} its header makes no sense ({error})")
        verdict, why = _judged(window, format, capacity, overlay)
        return Claim(format, window.size, capacity, verdict, why)


def _fits(size: int, capacity: int) -> bool:
    """Whether a raw file of ``size`` is a disk of ``capacity``, which is rounded up to sectors."""
    return abs(capacity - size) < _SECTOR


def _no_image(size: int, overlay: int | None) -> Claim:
    if overlay is not None and _fits(size, overlay):
        why = f"it is exactly as large as its overlay ({human_size(size)}), as a raw disk is"
        return Claim(Format.RAW, size, size, Verdict.RAW, why)
    return Claim(Format.RAW, size, size, Verdict.UNCLEAR)


def _judged(window: Window, format: Format, capacity: int, overlay: int | None) -> tuple[Verdict, str]:
    """What speaks for a slip (it is a container), or for a guest (it is a raw disk), the strongest evidence first."""
    size = window.size
    if overlay is not None and _fits(size, overlay) is not _fits(overlay, capacity):
        if _fits(size, overlay):
            return (
                Verdict.RAW,
                f"its overlay is as large as the file ({human_size(size)}), so it was made over a raw disk",
            )
        return (
            Verdict.CONTAINER,
            f"its overlay is as large as that header says ({human_size(capacity)}), not as the file",
        )
    if size % _SECTOR:
        return Verdict.CONTAINER, "the file ends within a sector, and a disk that a guest writes to does not"
    if format is Format.QCOW2:
        try:
            counted = accounts_for_its_end(window)
        except ImageError as error:
            return Verdict.UNCLEAR, f"its refcounts make no sense ({error})"
        if counted:
            return Verdict.CONTAINER, "its refcounts count the file up to its last cluster"
        return (
            Verdict.RAW,
            "the file goes on behind the last cluster that its refcounts count, as a disk of a guest does",
        )
    if size < capacity:
        return Verdict.CONTAINER, f"the file is smaller than the disk that header promises ({human_size(capacity)})"
    return Verdict.UNCLEAR, ""
