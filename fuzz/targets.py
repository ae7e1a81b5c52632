"""What the fuzzers call: one function per target, each takes any bytes and raises when an invariant is broken.

The invariant for images: *any bytes give a header or an ImageError, within bounded reads and time*. And, because the names in a header
are used as file names: each can be encoded again, and holds no NUL.
"""

import contextlib
import os
import zlib
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final

from fuzz.sparse import CountingWindow, SparseImage, decode

from diskchain.errors import ImageError, printable
from diskchain.image.formats.vhdx.crc32c import crc32c
from diskchain.image.header import ImageHeader
from diskchain.image.inspect import inspect, missing_areas
from diskchain.image.other_files import other_file
from diskchain.image.probe import probe, starts_with_luks
from diskchain.image.raw_content import claimed_size, examine
from diskchain.image.window import BUDGET
from diskchain.storage.terms import Format

Target = Callable[[bytes], None]

#: No header needs more fetches: tables are read in pieces of 64 KiB, and all fetches together get no more than the budget.
MOST_READS: Final = 1024

#: Longer tables show nothing new and take a second each while coverage is watched; one in 4096 is read.
MANY_SNAPSHOTS: Final = 256

_VHDX_CHECKED: Final = ((65536, 4096), (131072, 4096), (196608, 65536), (262144, 65536))


class BrokenInvariant(AssertionError):
    """An invariant does not hold."""


def inspected(format: Format, data: bytes) -> None:
    """Inspects ``data`` (see :mod:`fuzz.sparse`) as ``format``, quickly and in full."""
    image = decode(data)
    if format == Format.VHDX and image.flags & 1:
        image = _with_checksums(image)
    quick = _inspect(image, format, full=False)
    if quick is not None and quick.snapshot_count > MANY_SNAPSHOTS and zlib.crc32(data) % 4096:
        return
    if quick is not None:
        _look_for_areas(image, format)
    full = _inspect(image, format, full=True)
    if full is not None and quick is None:
        raise BrokenInvariant("a full inspection succeeds where a quick one does not")
    if full is not None and quick is not None and (full.capacity, full.backing) != (quick.capacity, quick.backing):
        raise BrokenInvariant("a quick and a full inspection disagree")


def probed(data: bytes) -> None:
    """Probes and examines ``data`` by all rules."""
    image = decode(data)
    window = image.window()
    probe(window)
    starts_with_luks(window)
    with contextlib.suppress(ImageError):
        probe(window, "untrusted")
    examine(window)
    other_file(window)
    with contextlib.suppress(ImageError):
        claimed_size(window)
    _check_reads(window)


def _inspect(image: SparseImage, format: Format, *, full: bool) -> ImageHeader | None:
    window = image.window()
    try:
        header = inspect(window, format, full=full)
    except ImageError as error:
        if "\n" in str(error):
            raise BrokenInvariant("an error of more than one line") from error
        return None
    finally:
        _check_reads(window)
    names = [extent.name for extent in header.extents]
    names += [header.backing.text] if header.backing else []
    names += [header.data_file] if header.data_file is not None else []
    for name in names:
        os.fsencode(name)
        if "\0" in name:
            raise BrokenInvariant("a name with NUL in it")
    if header.capacity < 0 or header.capacity >= 1 << 64:
        raise BrokenInvariant(f"a capacity of {header.capacity} bytes")
    return header


def _look_for_areas(image: SparseImage, format: Format) -> None:
    """What is missing of an image whose header can be read: areas that end behind the file, each with a name of one line."""
    window = image.window()
    try:
        areas = missing_areas(window, format)
    except ImageError:
        return
    finally:
        _check_reads(window)
    if any(area.end <= image.size or "\n" in printable(area.what) for area in areas):
        raise BrokenInvariant("an area that is in the file is called missing")


def _check_reads(window: CountingWindow) -> None:
    reads, fetched = getattr(window, "reads", 0), getattr(window, "fetched", 0)
    if reads > MOST_READS or fetched > BUDGET:
        raise BrokenInvariant(f"{fetched} bytes fetched in {reads} reads")


_checksum = lru_cache(maxsize=64)(crc32c)


def _with_checksums(image: SparseImage) -> SparseImage:
    """The image with the checksums of its headers and region tables made right, so that fuzzing gets past them."""
    chunks = list(image.chunks)
    for at, length in _VHDX_CHECKED:
        structure = image.read(at, length)
        if len(structure) == length:
            checksum = _checksum(structure[:4] + bytes(4) + structure[8:])
            chunks.append((at + 4, checksum.to_bytes(4, "little")))
    return SparseImage(image.size, tuple(chunks), image.flags)


#: Formats with a header to read; raw has none, dir and fat are no files.
FORMATS: Final = tuple(format for format in Format if format not in (Format.RAW, Format.DIR, Format.FAT))

TARGETS: Final[dict[str, Target]] = {format.value: partial(inspected, format) for format in FORMATS} | {"probe": probed}
