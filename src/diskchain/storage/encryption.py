"""How a source is encrypted, and which secrets open it. Names secrets, never holds one. Source: libvirt ``<encryption>``."""

from dataclasses import dataclass
from enum import StrEnum

from diskchain.storage.auth import SecretReference


class EncryptionFormat(StrEnum):
    """``<encryption format=…>``."""

    DEFAULT = "default"
    QCOW = "qcow"
    LUKS = "luks"
    LUKS2 = "luks2"
    LUKS_ANY = "luks-any"


class EncryptionEngine(StrEnum):
    """Who decrypts: QEMU, or librbd below it."""

    QEMU = "qemu"
    LIBRBD = "librbd"


@dataclass(frozen=True, slots=True)
class Cipher:
    """The cipher of a LUKS volume to be created. ``size`` in bits."""

    name: str
    size: int
    mode: str | None = None
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class InitVector:
    """The IV generator of a LUKS volume to be created."""

    name: str
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class Encryption:
    """Encryption of one layer. ``secrets`` are ordered outermost first (librbd); QEMU takes exactly one.

    ``engine`` None means the XML did not say (QEMU's own is the default).
    """

    format: EncryptionFormat
    secrets: tuple[SecretReference, ...] = ()
    engine: EncryptionEngine | None = None
    cipher: Cipher | None = None
    ivgen: InitVector | None = None
