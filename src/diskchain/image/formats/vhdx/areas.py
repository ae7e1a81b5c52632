"""What a VHDX's header, regions and block table say the file must hold. Belongs to ``vhdx``.

Source: Microsoft *[MS-VHDX]*, 2.5 (BAT); QEMU 7.2 ``vhdx_check_bat_entries`` refuses an image when a block in use ends behind the file.
"""

from typing import Final

from diskchain.image.areas import Area, Effect, beyond, numbers, pieces
from diskchain.image.formats.vhdx import current_header, read_layout
from diskchain.image.formats.vhdx.tables import BAT_REGION, METADATA_REGION, Metadata, read_regions
from diskchain.image.guid import NIL
from diskchain.image.window import Window
from diskchain.units import MiB

_ENTRY: Final = 8
_STATE: Final = 0x7
_OFFSET: Final = ~0xFFFFF & (1 << 64) - 1
#: Payload blocks that hold data: fully present, partially present; and sector bitmaps that are present.
_PRESENT: Final = 6


def missing_areas(window: Window) -> list[Area]:
    """The areas that end behind the file. Raises ImageError, StorageError."""
    header, _ = current_header(window, full=False)
    regions, _, _ = read_regions(window)
    (bat_at, bat_size), (metadata_at, metadata_size) = regions[BAT_REGION], regions[METADATA_REGION]
    shape = read_layout(Metadata(window, metadata_at, metadata_size))
    areas = [
        Area("its block table", bat_at + shape.entries * _ENTRY, Effect.REFUSES),
        Area("its metadata", metadata_at + metadata_size, Effect.REFUSES),
        Area("its block table", bat_at + bat_size, Effect.NOTHING),
        Area("its log", header.log_at + header.log_length, Effect.NOTHING if header.log == NIL else Effect.OTHER),
    ]
    used, needed, reserved = 0, 0, 0
    last = shape.last_payload
    for first, piece in pieces(window, bat_at, shape.entries * _ENTRY, _ENTRY):
        for number, entry in enumerate(numbers(piece, "<Q"), first):
            at = entry & _OFFSET
            size = MiB if number % (shape.chunk + 1) == shape.chunk else shape.block_size
            if entry & _STATE >= _PRESENT:
                used = max(used, at + size)
                needed = max(needed, at + (size if number != last else shape.last_size))
            elif shape.reserved and at:
                reserved = max(reserved, at + size)
    areas.append(Area("its data", needed, Effect.REFUSES))
    if used > needed:
        areas.append(Area("the end of its last block", used, Effect.NOTHING))
    areas.append(Area("the blocks a fixed disk reserves", reserved, Effect.NOTHING))
    return beyond(window, areas)
