"""Look closer at raw images: is it a disk at all, is it one of another format by its name, and is all of it there?

Nothing here changes how an image is read: raw is raw. What a guest may have written is worth a note at most where somebody declared the
image raw, and a warning where that was a guess.
"""

import os
from typing import TYPE_CHECKING, Final

from diskchain.checks import file_messages as words
from diskchain.discover.chain import Origin
from diskchain.discover.layer_reader import bytes_of
from diskchain.discover.partial_layer import PartialLayer
from diskchain.errors import ImageError
from diskchain.image.iso9660 import ISO_IDENTIFIER, ISO_IDENTIFIER_AT
from diskchain.image.magic import candidates, has_partition_table
from diskchain.image.other_files import other_file
from diskchain.image.window import Window
from diskchain.storage.terms import Format, StorageType

if TYPE_CHECKING:
    from diskchain.image.raw_content import Claim
    from diskchain.readers.open import Image

#: Formats by the endings of names, as people and programs use them. QEMU itself goes by the name for DMG alone.
_SUFFIXES: Final = {
    ".qcow2": Format.QCOW2,
    ".qcow": Format.QCOW,
    ".qed": Format.QED,
    ".vmdk": Format.VMDK,
    ".vdi": Format.VDI,
    ".vhd": Format.VPC,
    ".vpc": Format.VPC,
    ".vhdx": Format.VHDX,
    ".avhd": Format.VPC,
    ".avhdx": Format.VHDX,
    ".hds": Format.PARALLELS,
    ".hdd": Format.PARALLELS,
    ".dmg": Format.DMG,
}
#: What such files are called, so that nobody need wonder whether a guest wrote that.
_CALLED_OTHERWISE: Final = (
    ".xml",
    ".html",
    ".json",
    ".gz",
    ".xz",
    ".zst",
    ".bz2",
    ".zip",
    ".tar",
    ".tgz",
    ".ova",
    ".7z",
)
_GUESSED: Final = (Origin.PROBED, Origin.ASSUMED)
_NO_SIGNATURE: Final = "nothing in it is known"
_SECTOR: Final = 512
#: No storage has larger blocks.
_LARGEST_BLOCK: Final = 4096


def examine_raw(step: PartialLayer, image: "Image") -> None:
    """Note what is odd about ``image``, read as raw, as findings of ``step``. Raises StorageError."""
    guessed = step.origin in _GUESSED
    window = bytes_of(step, image.window())
    path, size = step.name, window.size
    what = other_file(window)
    if what is not None:
        # A guest writes whole sectors.
        sure = guessed or not size or size % _SECTOR != 0 or path.lower().endswith(_CALLED_OTHERWISE)
        step.note(words.not_a_disk(path, what, sure=sure))
        return
    suffix = os.path.splitext(path)[1].lower()
    claimed = _SUFFIXES.get(suffix)
    if guessed and claimed is not None and step.header is not None and not step.header.remarks:
        footers = [each for each in candidates(window)[0] if each in (Format.VPC, Format.DMG)]
        instead = (
            f"only its end is that of {footers[0]}, which nobody looks at without -f" if footers else _NO_SIGNATURE
        )
        step.note(words.misnamed(path, suffix, instead))
    content = _content(window)
    if content is not None and content.size > size:
        step.note(words.content_truncated(path, size, content.what, content.size))
    if step.above is None and not _is_read_only(step, content):
        _judge_size(step, image, size)


def _content(window: Window) -> "Claim | None":
    """What the image holds and how long it says it is; None where it says nothing. Most hold neither partitions nor an ISO volume."""
    is_iso = (
        window.size > ISO_IDENTIFIER_AT and window.read_up_to(ISO_IDENTIFIER_AT, len(ISO_IDENTIFIER)) == ISO_IDENTIFIER
    )
    if not is_iso and not has_partition_table(window):
        return None
    from diskchain.image.raw_content import claimed_size

    try:
        return claimed_size(window)
    except ImageError:
        return None


def _is_read_only(step: PartialLayer, content: "Claim | None") -> bool:
    return step.source.readonly or (content is not None and content.is_iso)


def _judge_size(step: PartialLayer, image: "Image", size: int) -> None:
    """Whether QEMU can open the file for writing past the page cache: it asks for whole blocks, and takes sectors for granted."""
    sectors = -(-size // _SECTOR) * _SECTOR
    if step.facts is None or step.facts.type is not StorageType.FILE or sectors % _LARGEST_BLOCK == 0:
        return
    block = image.direct_alignment
    here = block is not None and sectors % block != 0
    step.note(words.raw_size(step.name, size, block if block is not None and here else _LARGEST_BLOCK, here=here))
