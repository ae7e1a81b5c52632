"""Headers of images made alike, recognised instead of read. Pure; knows where qcow2 keeps its backing file name.

The overlays of a fleet are made by one tool with one set of options, so that up to the backing file name their headers are the
same bytes: those are checked and understood once, and of another image only the name is read. Clones of one base have the name in
common, too: they share one header.
"""

import struct
from collections.abc import Callable
from typing import Final

from diskchain.image.header import ImageHeader, like

_unpack_place = struct.Struct(">8xQI").unpack_from  # backing_file_offset, backing_file_size
_unpack_length = struct.Struct(">100xI").unpack_from  # header_length, of version 3
_VERSION_2: Final = 2
_VERSION_3_SIZE: Final = 104
_LONGEST: Final = 1024  # bytes up to the name; QEMU's own headers take 600
_MOST_KINDS: Final = 64
_MOST_NAMES: Final = 256  # of each kind; all together take 8 MB

#: What makes headers of this kind of the backing files' names, and those made so far.
_Kind = tuple[Callable[[str], ImageHeader], dict[bytes, ImageHeader]]

_kinds: dict[bytes, _Kind] = {}


def recognised(head: bytes) -> ImageHeader | None:
    """The header of the qcow2 image that begins with ``head``, as ``qcow2.parse`` would give it; None: it has to be read."""
    if len(head) < _VERSION_3_SIZE:
        return None
    start, length = _unpack_place(head)
    kind = _kinds.get(head[:start]) if start <= _LONGEST else None
    if kind is None:
        return None
    make, named = kind
    name = head[start : start + length]
    header = named.get(name)
    if header is None:
        if 0 in name or len(name) != length:
            return None
        header = make(name.decode("utf-8", "surrogateescape"))
        if len(named) < _MOST_NAMES:
            named[name] = header
    return header


def remember(head: bytes, header: ImageHeader) -> None:
    """Recognise images like the one that begins with ``head`` and has this ``header``, read in brief, from now on."""
    if header.backing is None or len(head) < _VERSION_3_SIZE:
        return
    start, _ = _unpack_place(head)
    fixed = _VERSION_3_SIZE if header.version == _VERSION_2 else _unpack_length(head)[0]
    if fixed <= start <= _LONGEST:
        if len(_kinds) >= _MOST_KINDS:
            _kinds.clear()
        _kinds[head[:start]] = like(header, header.backing), {}
