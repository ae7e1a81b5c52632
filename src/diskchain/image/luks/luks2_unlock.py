"""Whether a passphrase opens a LUKS2 container: a key slot gives a volume key, and a digest says whether it is the right one.

QEMU does not know LUKS2. Reads key slots, never data; the volume key goes nowhere. Costs what the header asks for, which for
argon2 is a second and a gibibyte by design, up to bounds. Source: *LUKS2 On-Disk Format Specification* 1.1.4, sections 3 and 5;
*LUKS1 On-Disk Format Specification* 1.2.3, section 2.4 (anti-forensic splitting). Needs the ``cryptography`` package (extra ``open``).
"""

import binascii
import hashlib
import hmac
from base64 import b64decode
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from diskchain.errors import ImageError, MissingExtra, printable
from diskchain.image.luks.header import read_luks2_metadata
from diskchain.image.window import Window
from diskchain.units import KiB, MiB

if TYPE_CHECKING:
    from diskchain.image.luks.luks2_metadata import Digest, Kdf, Keyslot

_SECTOR: Final = 512
#: The largest cryptsetup takes: argon2 with 4 GiB; key slots of 512-bit keys in 4000 stripes.
_LARGEST_KEY: Final = 128
_MOST_STRIPES: Final = 4000
_MOST_MEMORY: Final = 4 << 20  # KiB
_MOST_LANES: Final = 64
#: RFC 9106, 3.1: KiB of memory for each lane; and, as libraries have it, bytes of salt.
_LEAST: Final = 8
#: What a header may make us compute, a minute or so each: passes over a KiB of memory, and rounds of pbkdf2.
_MOST_PASSES: Final = 64 << 20
_MOST_ROUNDS: Final = 200_000_000
_HASHES: Final = frozenset({"sha1", "sha224", "sha256", "sha384", "sha512"})


class UnknownKeySlot(ImageError):
    """A key slot is made in a way that is not known here, or asks for more work than is reasonable: nobody can tell."""


def opens_luks2(window: Window, passphrase: bytes | memoryview, offset: int = 0) -> bool:
    """Whether ``passphrase`` opens the container whose header is at ``offset``.

    Raises ImageError for a malformed header, UnknownKeySlot when no slot opens and one could not be tried, MissingExtra.
    """
    metadata = read_luks2_metadata(window, offset)
    unknown: UnknownKeySlot | None = None
    tried = False
    for number, slot in metadata.keyslots.items():
        digests = [each for each in metadata.digests.values() if number in each.keyslots and each.segments]
        if slot.type != "luks2" or not digests:
            continue
        tried = True
        try:
            if _opens(window, offset, slot, digests, passphrase):
                return True
        except UnknownKeySlot as error:
            unknown = UnknownKeySlot(f"key slot {printable(number)}: {error.problem}", format="luks")
    if unknown is not None:
        raise unknown
    if not tried:
        raise UnknownKeySlot("no key slot takes a passphrase", format="luks")
    return False


def _opens(
    window: Window, offset: int, slot: "Keyslot", digests: list["Digest"], passphrase: bytes | memoryview
) -> bool:
    area, stripes = slot.area, slot.af.stripes or 0
    if slot.af.type != "luks1" or slot.af.hash not in _HASHES:
        raise UnknownKeySlot(f"anti-forensic splitting {printable(slot.af.type)} {printable(slot.af.hash)}")
    if not (0 < slot.key_size <= _LARGEST_KEY and 0 < area.key_size <= _LARGEST_KEY and 0 < stripes <= _MOST_STRIPES):
        raise ImageError("impossible key slot", format="luks")
    if not (area.offset.isascii() and area.offset.isdecimal() and len(area.offset) < len(str(1 << 63))):
        raise ImageError("impossible place of a key slot", format="luks")
    size = slot.key_size * stripes
    material = window.read(offset + int(area.offset), -(-size // _SECTOR) * _SECTOR)
    key = _derived(slot.kdf, passphrase, area.key_size)
    split = b"".join(_decrypted(material, area.encryption, key))[:size]
    candidate = _merged(split, slot.key_size, stripes, slot.af.hash)
    return any(_is_volume_key(candidate, digest) for digest in digests)


def _derived(kdf: "Kdf", passphrase: bytes | memoryview, length: int) -> bytes:
    """The key that a passphrase makes."""
    salt = _bytes(kdf.salt)
    if kdf.type == "pbkdf2":
        return _pbkdf2(kdf.hash, passphrase, salt, kdf.iterations or 0, length)
    if kdf.type not in ("argon2i", "argon2id"):
        raise UnknownKeySlot(f"key derivation {printable(kdf.type)}")
    passes = kdf.time or 0
    possible = 1 <= kdf.cpus <= _MOST_LANES and _LEAST * kdf.cpus <= kdf.memory <= _MOST_MEMORY and passes >= 1
    if not possible or len(salt) < _LEAST:
        raise UnknownKeySlot("argon2 with impossible costs")
    if passes * kdf.memory > _MOST_PASSES:
        raise UnknownKeySlot(f"argon2 with {passes} passes over {kdf.memory * KiB // MiB} MiB, which takes too long")
    try:
        from cryptography.hazmat.primitives.kdf import argon2

        function: Any = {"argon2i": argon2.Argon2i, "argon2id": argon2.Argon2id}[kdf.type]
    except (ImportError, AttributeError):
        raise MissingExtra("cryptography 47 or later", "open", f"trying a key slot with {kdf.type}") from None
    try:
        derive = function(salt=salt, length=length, iterations=passes, lanes=kdf.cpus, memory_cost=kdf.memory)
        return bytes(derive.derive(bytes(passphrase)))
    except MemoryError:
        raise UnknownKeySlot(f"argon2 wants {kdf.memory * KiB // MiB} MiB of memory, more than there is") from None


def _pbkdf2(algorithm: str | None, secret: bytes | memoryview, salt: bytes, rounds: int, length: int) -> bytes:
    if algorithm not in _HASHES:
        raise UnknownKeySlot(f"pbkdf2 with hash {printable(str(algorithm))}")
    if not 1 <= rounds <= _MOST_ROUNDS:
        raise UnknownKeySlot(f"pbkdf2 with {rounds} rounds")
    return hashlib.pbkdf2_hmac(algorithm, secret, salt, rounds, length)


def _decrypted(material: bytes, encryption: str, key: bytes) -> Iterator[bytes]:
    """Key material, sector by sector. Its sectors are counted from 0 at its own start."""
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    except ImportError:
        raise MissingExtra("cryptography", "open", "trying a key slot") from None
    name, _, rest = encryption.partition("-")
    mode, _, vector = rest.partition("-")
    known: dict[str, Any] = {"xts": modes.XTS, "cbc": modes.CBC}
    if name != "aes" or mode not in known or vector not in ("plain", "plain64", "essiv:sha256"):
        raise UnknownKeySlot(f"cipher {printable(encryption)}")
    hidden = None
    if vector.startswith("essiv"):
        hidden = Cipher(algorithms.AES(hashlib.sha256(key).digest()), modes.ECB())  # noqa: S305 (what ESSIV is)
    for number in range(len(material) // _SECTOR):
        count = number.to_bytes(16, "little")
        start = hidden.encryptor().update(count) if hidden is not None else count
        try:
            decryptor = Cipher(algorithms.AES(key), known[mode](start)).decryptor()
        except ValueError:
            raise UnknownKeySlot(f"cipher {printable(encryption)} with a key of {len(key)} bytes") from None
        yield decryptor.update(material[number * _SECTOR : (number + 1) * _SECTOR])


def _merged(split: bytes, length: int, stripes: int, algorithm: str) -> bytes:
    """The key that was spread over ``stripes``."""
    merged = bytes(length)
    for number in range(stripes):
        stripe = split[number * length : (number + 1) * length]
        merged = (int.from_bytes(merged) ^ int.from_bytes(stripe)).to_bytes(length)
        if number < stripes - 1:
            merged = _diffused(merged, algorithm)
    return merged


def _diffused(block: bytes, algorithm: str) -> bytes:
    size = hashlib.new(algorithm).digest_size
    parts = range(0, len(block), size)
    pieces = (
        hashlib.new(algorithm, number.to_bytes(4) + block[start : start + size]).digest()[: len(block) - start]
        for number, start in enumerate(parts)
    )
    return b"".join(pieces)


def _is_volume_key(candidate: bytes, digest: "Digest") -> bool:
    if digest.type != "pbkdf2":
        raise UnknownKeySlot(f"digest {printable(digest.type)}")
    wanted = _bytes(digest.digest)
    if not 0 < len(wanted) <= _LARGEST_KEY:
        raise ImageError("impossible digest", format="luks")
    found = _pbkdf2(digest.hash, candidate, _bytes(digest.salt), digest.iterations, len(wanted))
    return hmac.compare_digest(found, wanted)


def _bytes(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ImageError("what should be base64 is not", format="luks") from None
