"""The LUKS header, wherever it stands: at the start of a raw container, or inside a qcow2 file.

Reads how a volume is encrypted, never key material. Sources: *LUKS1 On-Disk Format Specification* 1.2.3; *LUKS2 On-Disk Format
Specification* 1.1.4 (its binary header and the JSON area).
"""

import re
import struct
from typing import TYPE_CHECKING, Final

from diskchain.errors import ImageError
from diskchain.image.encryption import ImageEncryption, KeySlot
from diskchain.image.luks.luks1_limits import KEY_ENABLED, SECTOR, Slot, check_slots
from diskchain.image.window import Window
from diskchain.units import MiB

if TYPE_CHECKING:
    from diskchain.image.luks.luks2_metadata import Metadata

LUKS_MAGIC: Final = b"LUKS\xba\xbe"

#: magic, version, cipher name, cipher mode, hash spec, payload offset (sectors), key bytes, digest, salt, iterations, uuid
_PHDR = struct.Struct(">6sH32s32s32sII20s32sI40s")
#: active, iterations, salt, key material offset (sectors), stripes
_KEY_SLOT = struct.Struct(">II32sII")
_KEY_SLOTS: Final = 8
_LUKS1: Final = 1
_LUKS2: Final = 2

#: LUKS2: magic, version, header size, sequence, label, checksum algorithm, salt, uuid
_LUKS2_HEADER = struct.Struct(">6sHQQ48s32s64s40s")
#: LUKS2 3.1: the header with its JSON area is at most 4 MiB.
_LUKS2_LARGEST: Final = 4 * MiB
#: The binary header comes first; the JSON area fills the rest of the header size.
_LUKS2_JSON_AT: Final = 4096
#: LUKS2 numbers its key slots from 0 to 31.
LUKS2_KEY_SLOTS: Final = 32
_KEY_SLOT_NUMBER: Final = re.compile("[0-9]{1,2}")
_DECIMAL: Final = re.compile("[0-9]{1,19}")


def read_luks(window: Window, offset: int = 0, *, full: bool = False) -> ImageEncryption:
    """The LUKS header at ``offset``. ``full`` also reads the key slots.

    Raises ImageError when there is none, when its version is unknown, or when it contradicts itself, as key slots that overlap do.
    """
    magic, version = struct.unpack(">6sH", window.read(offset, 8))
    if magic != LUKS_MAGIC:
        raise ImageError("no LUKS header", format="luks", offset=offset)
    if version == _LUKS1:
        return _read_luks1(window, offset, full=full)
    if version == _LUKS2:
        return _read_luks2(window, offset, full=full)
    raise ImageError(f"unknown version {version}", format="luks", offset=offset + 6)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("ascii", "backslashreplace")


def _read_luks1(window: Window, offset: int, *, full: bool) -> ImageEncryption:
    _, _, cipher, mode, hash_spec, payload, key_bytes, _digest, _salt, iterations, uuid = _PHDR.unpack(
        window.read(offset, _PHDR.size)
    )
    table = window.read(offset + _PHDR.size, _KEY_SLOT.size * _KEY_SLOTS)
    rows = [Slot(*row) for row in _KEY_SLOT.iter_unpack(table)]
    check_slots(rows, payload, key_bytes, iterations, offset)
    slots: tuple[KeySlot, ...] | None = None
    if full:
        slots = tuple(
            KeySlot(
                number,
                active=True,
                iterations=row.iterations,
                kdf="pbkdf2",
                key_offset=row.start * SECTOR,
                stripes=row.stripes,
            )
            if row.state == KEY_ENABLED
            else KeySlot(number, active=False, kdf="pbkdf2", key_offset=row.start * SECTOR)
            for number, row in enumerate(rows)
        )
    return ImageEncryption(
        "luks1",
        f"{_text(cipher)}-{_text(mode)}",
        _text(hash_spec),
        _text(uuid),
        slots,
        payload * SECTOR,
        iterations,
        key_bytes * 8,
    )


def _read_luks2(window: Window, offset: int, *, full: bool) -> ImageEncryption:
    uuid = _LUKS2_HEADER.unpack(window.read(offset, _LUKS2_HEADER.size))[-1]
    if not full:
        return ImageEncryption("luks2", uuid=_text(uuid))
    return _luks2_encryption(read_luks2_metadata(window, offset), _text(uuid))


def read_luks2_metadata(window: Window, offset: int = 0) -> "Metadata":
    """The JSON area of the LUKS2 header at ``offset``. Raises ImageError."""
    import msgspec

    from diskchain.image.luks.luks2_metadata import Metadata

    size = _LUKS2_HEADER.unpack(window.read(offset, _LUKS2_HEADER.size))[2]
    if not _LUKS2_JSON_AT < size <= _LUKS2_LARGEST:
        raise ImageError(f"impossible header size {size}", format="luks", offset=offset + 8)
    area = window.read(offset + _LUKS2_JSON_AT, size - _LUKS2_JSON_AT).split(b"\0", 1)[0]
    try:
        return msgspec.json.decode(area, type=Metadata)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ImageError("the LUKS2 JSON area is malformed", format="luks", offset=_LUKS2_JSON_AT) from error


def _luks2_encryption(metadata: "Metadata", uuid: str) -> ImageEncryption:
    segment = metadata.segments.get("0")
    slots = tuple(
        KeySlot(
            int(number),
            active=True,
            iterations=slot.kdf.iterations or slot.kdf.time,
            kdf=slot.kdf.type,
            key_offset=_decimal(slot.area.offset),
            stripes=slot.af.stripes,
        )
        for number, slot in metadata.keyslots.items()
        if _KEY_SLOT_NUMBER.fullmatch(number)
    )
    return ImageEncryption(
        "luks2",
        segment.encryption if segment else None,
        next((digest.hash for digest in metadata.digests.values()), None),
        uuid,
        tuple(sorted(slots, key=lambda slot: slot.number)),
        _decimal(segment.offset) if segment else None,
        key_bits=next((slot.key_size * 8 for slot in metadata.keyslots.values()), None),
        payload_size=_decimal(segment.size) if segment else None,
    )


def _decimal(text: str) -> int | None:
    return int(text) if _DECIMAL.fullmatch(text) else None
