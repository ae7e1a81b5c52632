"""What the top image of a chain has to allow because a guest writes to it. Of a lone image nobody knows that; of a domain's disk one does.

Source: QEMU 7.2: drivers that open an image read-only alone (``bdrv_apply_auto_read_only``, "Image is read-only"), ``vmdk_open_vmdk4``
("VMDK version 3 must be read only"), ``parallels_open`` ("cannot be opened read/write"), and the alignment of direct I/O.
"""

from typing import Final

from diskchain.discover.chain import Layer
from diskchain.errors import printable
from diskchain.findings import Finding, Severity, Stops, finding
from diskchain.image.header import ImageHeader
from diskchain.storage.location import describe_location
from diskchain.storage.terms import Format

_READ_ONLY: Final = frozenset({Format.BOCHS, Format.CLOOP, Format.DMG})
_SESPARSE: Final = "SESPARSE"
_VMDK_READ_ONLY_VERSION: Final = 3
#: Cache modes that bypass the page cache, as libvirt calls them; those that do not. None: QEMU's default, which does not.
_DIRECT: Final = frozenset({"none", "directsync"})


def as_written(top: Layer, cache: str | None = None) -> tuple[Finding, ...]:
    """The findings of ``top``, a layer that a guest writes to, with what becomes of them and comes to them because of that.

    ``cache``: the disk's cache mode (``<driver cache=…>``).
    """
    found = tuple(_as_written(each, top, cache) for each in top.findings)
    kind = _only_read(top.header) if top.header is not None else None
    return found if kind is None else (*found, _read_only_format(describe_location(top.source.location), kind))


def _only_read(header: ImageHeader) -> str | None:
    """What QEMU calls a kind of image that it does not write to; None: it does."""
    if header.format in _READ_ONLY:
        return header.format.value
    if any(extent.kind == _SESPARSE for extent in header.extents):
        return "seSparse"
    uncompressed = ("compressed", False) in header.details
    if header.format is Format.VMDK and header.version == _VMDK_READ_ONLY_VERSION and uncompressed:
        return "VMDK version 3, which is not compressed"
    return None


def _read_only_format(path: str, kind: str) -> Finding:
    return finding(
        "read-only-format",
        f"{printable(path)} is {kind}: QEMU only reads that, and refuses to start a domain whose guest may write to it; <readonly/> "
        "declares that it does not",
        file=path,
    )


def _as_written(found: Finding, top: Layer, cache: str | None) -> Finding:
    """``found`` as it is for a disk that a guest writes to, with this cache mode."""
    if found.id == "dirty" and top.header is not None and top.header.format is Format.PARALLELS:
        return found._replace(severity=Severity.ERROR, stops=Stops.START)
    if found.id != "raw-size":
        return found
    if cache not in _DIRECT:
        return found._replace(severity=Severity.INFO)
    if found.severity is Severity.INFO:  # not on this storage
        return found
    return found._replace(severity=Severity.ERROR, stops=Stops.START)
