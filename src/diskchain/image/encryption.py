"""How an image is encrypted, as its header says. Never key material. Knows no other module."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeySlot:
    """A LUKS key slot: whether in use, and how it slows guessing. Never key material.

    ``key_offset`` is where the (encrypted) key material is, in bytes from the LUKS header; ``stripes``: how thin it is spread.
    """

    number: int
    active: bool
    iterations: int | None = None
    kdf: str | None = None
    key_offset: int | None = None
    stripes: int | None = None


@dataclass(frozen=True, slots=True)
class ImageEncryption:
    """How the header says the image is encrypted.

    ``kind``: ``luks1``, ``luks2``, ``aes`` (the legacy qcow scheme, which is broken) or ``dmg`` (Apple's, which QEMU does not know).
    ``cipher`` like ``aes-xts-plain64``.
    Details are None unless the header was inspected in full. ``payload_offset``: bytes. ``payload_size``: bytes, None when it
    reaches to the end of the container. ``master_key_iterations``: LUKS1 only.
    """

    kind: str
    cipher: str | None = None
    hash: str | None = None
    uuid: str | None = None
    slots: tuple[KeySlot, ...] | None = None
    payload_offset: int | None = None
    master_key_iterations: int | None = None
    key_bits: int | None = None
    payload_size: int | None = None
