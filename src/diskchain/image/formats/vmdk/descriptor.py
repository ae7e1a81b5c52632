"""The text descriptor of a VMDK, which stands alone or inside a sparse extent.

Names in it are attacker-controlled bytes, kept as they are. What QEMU would open must not escape us, so extents and the parent's
name are found as QEMU 7.2 finds them (``vmdk_parse_extents``, ``vmdk_parent_open``), which is looser than one line, one setting:
``sscanf`` reads over line ends, and ``strstr`` sees comments. Everything else follows VMware *Virtual Disk Format* 5.0, "Layout basics".
"""

import re
from dataclasses import dataclass
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.header import Extent, header_text

_SECTOR: Final = 512

#: Access, size in sectors, kind, then a name in quotes, and for flat extents the offset in sectors. Gives nothing back, like sscanf;
#: a look-ahead, because what one line start yields must not hide the next.
_EXTENT: Final = re.compile(
    rb"^[ \t\v\f\r]*+(?=(RW|RDONLY|NOACCESS)\s++([+-]?\d++)\s*+(\S{1,10}+)"
    rb"(?:\s*+\"([^\n\r\"]{1,511}+)(?:\"\s*+([+-]?\d++))?)?)",
    re.MULTILINE,
)
_PAIR: Final = re.compile(rb"^[ \t]*+([A-Za-z][A-Za-z0-9_.:]{0,127}+)[ \t]*+=[ \t]*+([^\r\n]*+)", re.MULTILINE)
#: The pairs that tell what is below.
_CHAIN_PAIR: Final = re.compile(rb"^[ \t]*+(CID|parentCID|parentFileNameHint)[ \t]*+=[ \t]*+([^\r\n]*+)", re.MULTILINE)
_CID: Final = re.compile(rb"[0-9a-fA-F]{1,8}")
_HINT: Final = b"parentFileNameHint"

#: How much of a descriptor QEMU searches for the parent's name: DESC_SIZE.
SEARCHED: Final = 20 * _SECTOR
_LONGEST_NAME: Final = 1023
_MOST_LINES: Final = 131072  # ours; of two-gigabyte extents the largest disk has 31 thousand
_LARGEST_NUMBER: Final = (1 << 63) - 1

_CREATE_TYPE: Final = b"createType"
#: Kinds of disks that QEMU 7.2 opens by their descriptor (``vmdk_open_desc_file``).
_OPENED_TYPES: Final = (
    "monolithicFlat", "twoGbMaxExtentFlat", "twoGbMaxExtentSparse", "vmfs", "vmfsSparse", "seSparse",
)  # fmt: skip

#: ``parentCID`` of an image that has no parent.
NO_PARENT: Final = "ffffffff"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What the text says; what not every reader needs is worked out when asked for. CIDs: 8 hex digits.

    ``parents``: every name a reader may take for that of the image below, without repetition, QEMU's choice first.
    """

    text: bytes
    cid: str | None
    parent_cid: str | None
    parents: tuple[str, ...]

    def extents(self) -> tuple[Extent, ...]:
        """The extents, those that QEMU would not open among them."""
        return tuple(_extent(*found) for found in _EXTENT.findall(self.text))

    def refused(self) -> str | None:
        """Why QEMU 7.2 does not open the disk this describes; None: it does. Of extents that are files, not inside this one."""
        at = self.text.find(_CREATE_TYPE)
        if at < 0:
            return "no createType"
        kind, quote, _ = self.text[at + len(_CREATE_TYPE) + 2 :].partition(b'"')  # whatever two characters come first
        name = header_text(kind.split(b"\n", 1)[0])
        if not quote or name not in _OPENED_TYPES:
            from diskchain.behaviours import tried

            return f'createType "{name}", of which {tried("QEMU")} opens none (only {", ".join(_OPENED_TYPES)})'
        writable = [found for found in _EXTENT.findall(self.text) if found[0] == b"RW" and found[3]]
        for _, _, extent, _, offset in writable:
            if (extent == b"FLAT") is not bool(offset) or offset.startswith(b"-"):
                return f"an extent of kind {header_text(extent)} {'with' if offset else 'without'} an offset"
        if not any(_number(sectors) for _, sectors, *_ in writable):
            return "no extent that can be written"
        return None

    def settings(self) -> dict[str, str]:
        """All ``key=value`` lines, unquoted; of a repeated key the first."""
        settings: dict[str, str] = {}
        for key, value in _PAIR.findall(self.text):
            settings.setdefault(header_text(key), header_text(_unquoted(value)))
        return settings


def parse_descriptor(text: bytes, at: int = 0) -> Descriptor:
    """The descriptor in ``text``, up to its first NUL; ``at`` is where it stands in the image. Raises ImageError."""
    text = text.split(b"\0", 1)[0]
    if text.count(b"\n") > _MOST_LINES:
        raise ImageError(f"more than {_MOST_LINES} lines", format="vmdk", offset=at)
    values = dict(reversed(_CHAIN_PAIR.findall(text)))  # the first of a repeated key
    names = _searched_parents(text[:SEARCHED], at)
    if not names and (hint := values.get(_HINT)):  # beyond what QEMU searches
        names = [header_text(_unquoted(hint))]
    parents = tuple(dict.fromkeys(name for name in names if name)) if names else ()
    return Descriptor(text, _cid(values.get(b"CID")), _cid(values.get(b"parentCID")), parents)


def _searched_parents(text: bytes, at: int) -> list[str]:
    """QEMU's reading, then libvirt's: the first hint, whatever two characters follow it; the first that is followed by ``="``."""
    found = []
    for needle, skip in ((_HINT, 2), (_HINT + b'="', 0)):
        hint = text.find(needle)
        if hint < 0:
            continue
        start = hint + len(needle) + skip
        end = text.find(b'"', start)
        if end < 0 or end - start > _LONGEST_NAME:
            raise ImageError("the parent's name does not end, or is too long", format="vmdk", offset=at + hint)
        found.append(header_text(text[start:end]))
    return found


def _extent(access: bytes, sectors: bytes, kind: bytes, name: bytes, offset: bytes) -> Extent:
    return Extent(
        header_text(name),
        kind.decode("ascii", "backslashreplace"),
        _number(sectors) * _SECTOR,
        access.decode("ascii"),
        _number(offset) * _SECTOR if offset else None,
    )


def _number(digits: bytes) -> int:
    """As C's strtoll, except that nothing is below 0: such extents are empty to QEMU."""
    if digits.startswith(b"-"):
        return 0
    return min(_LARGEST_NUMBER, int(digits.lstrip(b"+0")[:20] or b"0"))


def _unquoted(value: bytes) -> bytes:
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value.startswith(b'"') and value.endswith(b'"') else value


def _cid(value: bytes | None) -> str | None:
    match = _CID.match(value) if value else None
    return match[0].decode("ascii").lower().rjust(8, "0") if match else None
