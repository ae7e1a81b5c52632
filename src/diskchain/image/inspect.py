"""Read the header of an image whose format is *known*. Guessing is in ``probe``.

The only module that knows which format lives where; formats do not know each other.
"""

from typing import TYPE_CHECKING, Protocol, cast

from diskchain.errors import ImageError
from diskchain.image.header import ImageHeader
from diskchain.image.window import Window
from diskchain.storage.terms import Format

if TYPE_CHECKING:
    from collections.abc import Callable

    from diskchain.image.areas import Area


class FormatModule(Protocol):
    """What every module in ``diskchain.image.formats`` offers."""

    def parse(self, window: Window, *, full: bool = False) -> ImageHeader:
        """The header at the start (or end) of ``window``; ``full`` reads tables too. Raises ImageError."""


class AreasModule(Protocol):
    """What says which areas an image must hold, in ``diskchain.image.formats``."""

    def missing_areas(self, window: Window) -> "list[Area]":
        """The areas that end behind the file. Raises ImageError, StorageError."""


_MODULES: dict[Format, str] = {
    Format.RAW: "raw",
    Format.QCOW2: "qcow2",
    Format.LUKS: "luks",
    Format.QCOW: "qcow",
    Format.QED: "qed",
    Format.VMDK: "vmdk",
    Format.VDI: "vdi",
    Format.VPC: "vpc",
    Format.VHDX: "vhdx",
    Format.PARALLELS: "parallels",
    Format.BOCHS: "bochs",
    Format.CLOOP: "cloop",
    Format.DMG: "dmg",
    Format.COW: "cow",
    Format.ISO: "iso",
}

_loaded: dict[Format, FormatModule] = {}

#: What says which areas an image must hold. Of a DMG the header does, which stands at the end; of a cow nobody does.
_AREAS: dict[Format, str] = {
    Format.QCOW2: "qcow2.areas",
    Format.LUKS: "luks",
    Format.QCOW: "qcow",
    Format.QED: "qed",
    Format.VMDK: "vmdk.areas",
    Format.VDI: "vdi",
    Format.VPC: "vpc.areas",
    Format.VHDX: "vhdx.areas",
    Format.PARALLELS: "parallels",
    Format.BOCHS: "bochs",
    Format.CLOOP: "cloop",
}
_finders: "dict[Format, Callable[[Window], list[Area]]]" = {}


def format_module(format: Format) -> FormatModule:
    """The module that reads ``format``, imported on first use. Raises ImageError when there is none."""
    module = _loaded.get(format)
    if module is None:
        name = _MODULES.get(format)
        if name is None:
            raise ImageError("no header of this format can be read", format=format)
        # Not import_module(), whose own module takes half a millisecond to import.
        module = cast("FormatModule", __import__(f"diskchain.image.formats.{name}", fromlist=("parse",)))
        _loaded[format] = module
    return module


def inspect(window: Window, format: Format, *, full: bool = False) -> ImageHeader:
    """The header of an image of ``format``. ``full`` also reads snapshot tables, bitmap directories and key slots.

    Raises ImageError, and StorageError from the window's fetch; never anything else, whatever the bytes.
    """
    return (_loaded.get(format) or format_module(format)).parse(window, full=full)


def missing_areas(window: Window, format: Format) -> "list[Area]":
    """The parts of an image of ``format`` that should be in its file and are not: a bounded look, see :mod:`diskchain.image.areas`.

    The image is one that :func:`inspect` can read. Raises ImageError where a table is malformed, StorageError from the window's fetch.
    """
    find = _finders.get(format)
    if find is None:
        name = _AREAS.get(format)
        if name is None:
            return []
        module = cast("AreasModule", __import__(f"diskchain.image.formats.{name}", fromlist=("missing_areas",)))
        find = _finders[format] = module.missing_areas
    return find(window)
