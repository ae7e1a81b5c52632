"""cow: the copy-on-write format of User-mode Linux, versions 2 and 3. QEMU dropped it in 2.2; libvirt still probes version 2.

The header remembers when its backing file was last changed. Sources: QEMU 2.1 ``block/cow.c`` (version 2), User-mode Linux
``cow_user.c`` (version 3).
"""

import struct
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.header import BackingReference, Identity, ImageHeader, header_text
from diskchain.image.window import Window
from diskchain.storage.terms import Format

MAGIC: Final = b"OOOM"
_VERSION_2: Final = 2
_VERSION_3: Final = 3
_CAPACITY_AT: Final = {_VERSION_2: 1036, _VERSION_3: 12}

#: magic, version
_START = struct.Struct(">4sI")
#: backing name, its modification time, capacity, sector size
_HEADER_2 = struct.Struct(">1024sIQI")
#: modification time of the backing file, capacity, sector size, alignment, kind of bitmap, backing name
_HEADER_3 = struct.Struct(">IQIII4096s")


def _bad(problem: str, offset: int) -> ImageError:
    return ImageError(problem, format="cow", offset=offset)


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """The header at the start of ``window``. Raises ImageError."""
    magic, version = _START.unpack(window.read(0, _START.size))
    if magic != MAGIC:
        raise _bad("no cow magic", 0)
    if version == _VERSION_2:
        name, changed, capacity, sector = _HEADER_2.unpack(window.read(_START.size, _HEADER_2.size))
    elif version == _VERSION_3:
        changed, capacity, sector, _, _, name = _HEADER_3.unpack(window.read(_START.size, _HEADER_3.size))
    else:
        raise _bad(f"unknown version {version}", 4)
    if capacity >= 1 << 63:
        raise _bad(f"a capacity of {capacity} bytes", _CAPACITY_AT[version])
    if not sector or sector & (sector - 1):
        raise _bad(f"sectors of {sector} bytes", _CAPACITY_AT[version] + 8)
    text = header_text(name.split(b"\0", 1)[0])
    return ImageHeader(
        Format.COW,
        capacity,
        version,
        sector,
        BackingReference(text) if text else None,
        identity=Identity(parent_time=changed) if text and changed else None,
        remarks=(("unsupported-image", "QEMU has not read this format since 2.2"),),
    )
