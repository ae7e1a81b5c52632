"""The first closer look at an image: nearly all pass it, and what does not is examined by ``whole_files``.

``closer`` goes to a :class:`~diskchain.discover.Discoverer`, which calls it for every image whose header could be read, while it is open
and within its time limit. A module of its own, as ``show`` pays for every import.
"""

from typing import TYPE_CHECKING, Final

from diskchain.errors import DiskchainError
from diskchain.image.iso9660 import ISO_IDENTIFIER, ISO_IDENTIFIER_AT
from diskchain.storage.terms import Format

if TYPE_CHECKING:
    from diskchain.discover.partial_layer import PartialLayer
    from diskchain.readers.open import Image

_RAW: Final = Format.RAW
_QCOW2: Final = Format.QCOW2
#: How disks begin that no other file begins like: zeros, and jumps of boot sectors (x86).
_DISKS: Final = (b"\0", b"\xeb", b"\xfa", b"\x33\xc0")
#: Names of raw images; others may say another format.
_RAW_NAMES: Final = (".raw", ".img", ".iso")
_SECTOR: Final = 512
_BOOT_MARK: Final = b"\x55\xaa"  # of a sector that may hold a partition table
_LARGEST_BLOCK: Final = 4096


def closer(step: "PartialLayer", image: "Image") -> None:
    """Note what is missing of ``image``, or what it is instead of a disk, as findings of ``step``."""
    header = step.header
    if header is None:
        return
    if step.source.slice is None and not header.remarks:
        try:
            if header.format is _QCOW2:
                from diskchain.image.formats.qcow2.whole import is_whole

                if is_whole(image.head, image.facts.size, image.pread):
                    return
            elif header.format is _RAW and _is_plain(step, image):
                return
        except DiskchainError:  # which table it is, the examination tells
            pass
    from diskchain.checks.whole_files import examine_file

    examine_file(step, image)


def _is_plain(step: "PartialLayer", image: "Image") -> bool:
    """Whether a raw image begins and ends as disks do, is called like one, and says nothing of its length."""
    head, size = image.head[:_SECTOR], image.facts.size
    return (
        size % _LARGEST_BLOCK == 0
        and head.startswith(_DISKS)
        and b"\0" in head
        and head[-2:] != _BOOT_MARK
        and step.name.endswith(_RAW_NAMES)
        and image.pread(ISO_IDENTIFIER_AT, len(ISO_IDENTIFIER)) != ISO_IDENTIFIER
    )
