"""What QEMU 7.2 asks of a LUKS1 header before it opens the container, and what of it QEMU does not have. Belongs to ``luks_header``.

Source: *LUKS1 On-Disk Format Specification* 1.2.3; limits as ``qcrypto_block_luks_check_header`` and
``qcrypto_block_luks_parse_header`` enforce them, which were measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from diskchain.errors import ImageError
from diskchain.image.encryption import ImageEncryption

KEY_ENABLED: Final = 0x00AC71F3
_DISABLED: Final = 0x0000DEAD
_STRIPES: Final = 4000
SECTOR: Final = 512
_FIRST_AREA: Final = 8  # sectors: LUKS_ALIGN_KEYSLOTS, behind the header

#: Key sizes in bits, by the names of LUKS. With xts there are two keys.
_CIPHERS: Final = {"aes": (128, 192, 256), "cast5": (128,), "serpent": (128, 192, 256), "twofish": (128, 192, 256)}
_MODES: Final = frozenset({"ecb", "cbc", "xts", "ctr"})
_VECTORS: Final = frozenset({"plain", "plain64", "essiv"})
#: Those as long as a key, which essiv makes a key of.
_KEY_HASHES: Final = frozenset({"md5", "sha256"})
_HASHES: Final = frozenset({"md5", "sha1", "sha224", "sha256", "sha384", "sha512", "ripemd160"})


@dataclass(frozen=True, slots=True)
class Slot:
    """A key slot as it stands in the header; ``start`` in sectors."""

    state: int
    iterations: int
    salt: bytes
    start: int
    stripes: int


def _bad(problem: str, offset: int) -> ImageError:
    return ImageError(problem, format="luks", offset=offset)


def check_slots(slots: Sequence[Slot], payload: int, key_bytes: int, iterations: int, offset: int) -> None:
    """Raises ImageError where key slots overlap, or are no key slots. ``payload``: in sectors; 0: the header is detached."""
    if not iterations:
        raise _bad("the master key has no iterations", offset)
    if 0 < payload < _FIRST_AREA:
        raise _bad(f"the encrypted data begin at sector {payload}, inside the header", offset)
    sectors = -(-key_bytes * _STRIPES // SECTOR)
    sectors = -(-sectors // _FIRST_AREA) * _FIRST_AREA
    for number, slot in enumerate(slots):
        if slot.stripes != _STRIPES:
            raise _bad(f"key slot {number} has {slot.stripes} stripes", offset)
        if slot.state not in (KEY_ENABLED, _DISABLED):
            raise _bad(f"key slot {number} is neither enabled nor disabled", offset)
        if slot.state == KEY_ENABLED and not slot.iterations:
            raise _bad(f"key slot {number} has no iterations", offset)
        if slot.start < _FIRST_AREA:
            raise _bad(f"key slot {number} overlaps the header", offset)
        if payload and slot.start + sectors > payload:
            raise _bad(f"key slot {number} overlaps the encrypted data", offset)
    places = sorted((slot.start, number) for number, slot in enumerate(slots))
    for (one, first), (other, second) in pairwise(places):
        if one + sectors > other:
            raise _bad(f"key slots {min(first, second)} and {max(first, second)} overlap", offset)


def unsupported(encryption: ImageEncryption) -> str | None:
    """What of a LUKS1 header QEMU does not have, though cryptsetup may; None: it has everything."""
    cipher, _, specification = (encryption.cipher or "").partition("-")
    mode, _, vector = specification.partition("-")
    vector, colon, vector_hash = vector.partition(":")
    bits = encryption.key_bits or 0
    if encryption.payload_offset == 0:
        return "a header that is kept apart from its data"
    if cipher not in _CIPHERS or mode not in _MODES or vector not in _VECTORS:
        return f"the cipher {encryption.cipher}"
    if (bits // 2 if mode == "xts" else bits) not in _CIPHERS[cipher]:
        return f"keys of {bits} bits for {encryption.cipher}"
    if encryption.hash not in _HASHES or (colon and vector_hash not in _HASHES):
        return f"the hash {vector_hash if encryption.hash in _HASHES else encryption.hash}"
    if vector == "essiv" and (vector_hash not in _KEY_HASHES or cipher == "cast5"):
        return f"the cipher {encryption.cipher}"
    return None
