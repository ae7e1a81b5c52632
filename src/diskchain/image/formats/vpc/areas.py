"""What a VHD's footer, dynamic header and block table say the file must hold. Belongs to ``vpc``.

QEMU 7.2 refuses a dynamic VHD whose last block ends behind the file (``free_data_block_offset``); it takes one without its last footer.
"""

from diskchain.image.areas import Area, Effect, beyond, numbers, pieces
from diskchain.image.formats.vpc import FIXED, SECTOR, block_table, read_footer
from diskchain.image.window import Window

_ENTRY = 4
_NO_BLOCK = 0xFFFFFFFF


def missing_areas(window: Window) -> list[Area]:
    """The areas that end behind the file. Raises ImageError, StorageError."""
    footer, _ = read_footer(window)
    if footer.kind == FIXED:
        return []  # a remark of its header: the footer is behind the data
    table_at, entries, block_size = block_table(window, footer)
    table = pieces(window, table_at, entries * _ENTRY, _ENTRY)
    last = max((each for _, piece in table for each in numbers(piece, ">I") if each != _NO_BLOCK), default=None)
    areas = [Area("its block table", table_at + entries * _ENTRY, Effect.REFUSES)]
    if last is not None:
        bitmap = -(-block_size // (SECTOR * 8) // SECTOR) * SECTOR
        areas.append(Area("its data", last * SECTOR + bitmap + block_size, Effect.REFUSES))
    return beyond(window, areas)
