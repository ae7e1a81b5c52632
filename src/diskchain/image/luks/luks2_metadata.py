"""The parts of the LUKS2 JSON area we read. Source: *LUKS2 On-Disk Format Specification* 1.1.4, section 3.

Its own module because msgspec takes longer to import than most images take to read.
"""

import msgspec


class Kdf(msgspec.Struct, frozen=True):
    """How a passphrase becomes a key. ``iterations`` and ``hash`` for pbkdf2; ``time``, ``memory`` (KiB) and ``cpus`` for argon2.

    ``salt`` is base64.
    """

    type: str = ""
    iterations: int | None = None
    time: int | None = None
    hash: str = ""
    memory: int = 0
    cpus: int = 0
    salt: str = ""


class Area(msgspec.Struct, frozen=True):
    """Where the key material of a slot is, and how it is encrypted. ``offset``: bytes, as decimal text; ``key_size``: bytes."""

    offset: str = ""
    encryption: str = ""
    key_size: int = 0


class AntiForensics(msgspec.Struct, frozen=True):
    """How thin key material is spread."""

    stripes: int | None = None
    type: str = ""
    hash: str = ""


class Keyslot(msgspec.Struct, frozen=True):
    """One key slot; its key material is not read. ``key_size``: bytes."""

    kdf: Kdf = Kdf()
    area: Area = Area()
    af: AntiForensics = AntiForensics()
    key_size: int = 0
    type: str = ""


class Segment(msgspec.Struct, frozen=True):
    """A range of the device and how it is encrypted. ``offset``: bytes, as decimal text; ``size`` too, or ``dynamic``."""

    encryption: str | None = None
    offset: str = ""
    size: str = ""


class Digest(msgspec.Struct, frozen=True):
    """How a volume key is verified: by pbkdf2 of it. ``keyslots`` hold that key, ``segments`` are encrypted with it.

    ``salt`` and ``digest`` are base64.
    """

    hash: str | None = None
    type: str = ""
    iterations: int = 0
    salt: str = ""
    digest: str = ""
    keyslots: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()


class Metadata(msgspec.Struct, frozen=True):
    """The JSON area."""

    keyslots: dict[str, Keyslot] = {}
    segments: dict[str, Segment] = {}
    digests: dict[str, Digest] = {}
