"""The parts of the LUKS2 JSON area we read. Source: *LUKS2 On-Disk Format Specification* 1.1.4, section 3.

Its own module because msgspec takes longer to import than most images take to read.
"""

import msgspec


class Kdf(msgspec.Struct, frozen=True):
    """How a passphrase becomes a key. ``iterations`` for pbkdf2, ``time`` for argon2."""

    type: str = ""
    iterations: int | None = None
    time: int | None = None


class Area(msgspec.Struct, frozen=True):
    """Where the key material of a slot is. ``offset``: bytes, as decimal text."""

    offset: str = ""


class AntiForensics(msgspec.Struct, frozen=True):
    """How thin key material is spread."""

    stripes: int | None = None


class Keyslot(msgspec.Struct, frozen=True):
    """One key slot; its key material is not read. ``key_size``: bytes."""

    kdf: Kdf = Kdf()
    area: Area = Area()
    af: AntiForensics = AntiForensics()
    key_size: int = 0


class Segment(msgspec.Struct, frozen=True):
    """A range of the device and how it is encrypted. ``offset``: bytes, as decimal text; ``size`` too, or ``dynamic``."""

    encryption: str | None = None
    offset: str = ""
    size: str = ""


class Digest(msgspec.Struct, frozen=True):
    """How a volume key is verified."""

    hash: str | None = None


class Metadata(msgspec.Struct, frozen=True):
    """The JSON area."""

    keyslots: dict[str, Keyslot] = {}
    segments: dict[str, Segment] = {}
    digests: dict[str, Digest] = {}
