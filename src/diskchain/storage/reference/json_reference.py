"""``json:`` strings: which layers a document describes, and what is left of it when they are read.

Knows where the protocol's object stands: at the top, under ``file``, below one ``raw``, and, in QEMU's reading, below a format
driver. Must not know what a protocol's object means. Source: libvirt 11.3.0 ``virStorageSourceParseBackingJSON``.
"""

import re
from typing import Final

from diskchain.errors import ReferenceSyntaxError, UnsupportedReference
from diskchain.storage.reference.json_document import SECRET_KEYS, Fields, load
from diskchain.storage.reference.json_drivers import READERS
from diskchain.storage.reference.redact import redacted
from diskchain.storage.reference.value import Dialect, Reference, is_file_name
from diskchain.storage.slice import Slice
from diskchain.storage.terms import Format

#: A driver's name that is one, and so may be shown.
_NAME: Final = re.compile(r"[a-z][a-z0-9_\-]{1,31}")
#: QEMU's format drivers, beside raw, that the model has.
_FORMAT_DRIVERS: Final = frozenset(Format) - {Format.RAW, Format.DIR, Format.FAT, Format.ISO, Format.COW}


def parse_json(text: str, dialect: Dialect) -> Reference:
    """What ``json:{…}`` describes. Raises ReferenceSyntaxError, with nothing of the string in it."""
    top = layer = Fields(load(text.removeprefix("json:"), dialect), dialect)
    # Each layer that is read, and where it stands in the form that `format_reference` writes: {"file": {protocol}}.
    layers: list[tuple[str, Fields]] = []
    place = "file"
    format: Format | None = None
    window: Slice | None = None
    if "driver" not in top.values:
        if isinstance(top.values.get("file"), dict):
            layers.append(("", top))
            layer = _below(top)
            if dialect == "qemu" and (window := _slice(top)):
                # QEMU guesses the format, and only raw has a window.
                format, place = Format.RAW, "file.file"
    elif dialect == "qemu":
        # Nothing is above a protocol driver at the top, so its bytes are the disk's.
        format = Format.RAW
        if (name := _driver(top)) in _FORMAT_DRIVERS:
            format = Format(name)
            layers.append(("", top))
            layer = _below(top)
        else:
            top.values["driver"] = name
    driver = _driver(layer, inner=layer is not top)
    if driver == "raw":
        if window is not None:
            raise UnsupportedReference("a json: window above a window", driver="raw")
        window = _slice(layer)
        # Without a window the layer does nothing, and its options move up.
        layers.append((place if window else "", layer))
        place = f"{place}.file" if window else place
        layer = _below(layer)
        driver = _driver(layer, inner=True)
    read = READERS.get(driver)
    if read is None or (driver == "vvfat" and dialect == "libvirt"):
        shown = f" {driver}" if _NAME.fullmatch(driver) else ""
        raise UnsupportedReference(f"the json: driver{shown} is not understood here", driver=driver)
    found = read(layer)
    if format or window:
        found = found._replace(format=found.format or format, slice=window)
    layers.append((place, layer))
    return _with_leftovers(found, layers)


def _driver(layer: Fields, *, inner: bool = False) -> str:
    """The driver's name, taken out. QEMU takes ``file`` for granted below another layer, when there is a file name."""
    driver = layer.values.pop("driver", None)
    if driver is None and inner and layer.dialect == "qemu" and "filename" in layer.values:
        return "file"
    if not isinstance(driver, str):
        raise ReferenceSyntaxError("JSON without the name of a driver")
    return driver


def _below(layer: Fields) -> Fields:
    """The layer under ``file``, taken out of the one above."""
    file = layer.take_object("file")
    if file is None:
        raise ReferenceSyntaxError("JSON with a format driver and no object under file")
    layer.taken.pop()
    return file


def _slice(raw: Fields) -> Slice | None:
    offset = raw.take_number("offset", "JSON with an offset that is no size")
    size = raw.take_number("size", "JSON with a size that is none")
    if size == 0 and raw.dialect == "qemu":
        # Not libvirt's "to the end": QEMU shows no byte.
        raise UnsupportedReference("a json: window of no bytes", driver="raw")
    return None if offset is None and size is None else Slice(offset or 0, size or 0)


def _with_leftovers(found: Reference, layers: list[tuple[str, Fields]]) -> Reference:
    """``found`` with the keys nobody read as unknown ones, except secrets: those are named, and dropped."""
    if not found.unknown:
        for _, layer in layers:
            if not layer.empty():
                break
        else:
            return found
    place = layers[-1][0]
    unknown = [(place + key.removeprefix("file"), value) for key, value in found.unknown]
    credentials = list(found.credentials)
    for prefix, layer in layers:
        for key, value in layer.rest(prefix):
            last = key.rpartition(".")[2]
            if last in SECRET_KEYS:
                credentials.append(last)
            elif isinstance(value, str) and not is_file_name(value) and redacted(value) != value:
                credentials.append("password")
            else:
                unknown.append((key, value))
    return found._replace(unknown=tuple(unknown), credentials=tuple(dict.fromkeys(credentials)))
