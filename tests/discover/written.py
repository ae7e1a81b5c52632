"""qcow2 images written by hand: whole, and without a guest's data, for tests that need hundreds at once."""

import struct
from pathlib import Path

BACKING_FORMAT, DATA_FILE, CRYPTO_HEADER = 0xE2792ACA, 0x44415441, 0x0537BE77
CRYPT_LUKS = 2


def write_qcow2(
    path: Path, backing: str = "", format: str | None = "qcow2", *, data_file: str = "", crypt: int = 0
) -> Path:
    """A version 3 image over ``backing``, of 1 MiB: header, refcounts, an empty L1 table. ``format`` None: not recorded. ``crypt``: 0, 1 (AES) or 2 (LUKS)."""
    area = b""
    for kind, payload in (
        (BACKING_FORMAT, (format or "").encode() if backing else b""),
        (DATA_FILE, data_file.encode()),
        (CRYPTO_HEADER, struct.pack(">QQ", 4 << 16, 592) if crypt == CRYPT_LUKS else b""),
    ):
        if payload:
            area += struct.pack(">II", kind, len(payload)) + payload + bytes(-len(payload) % 8)
    name = backing.encode()
    fixed = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        b"QFI\xfb", 3, 104 + len(area) + 8 if name else 0, len(name), 16, 1 << 20, crypt, 1, 3 << 16, 1 << 16, 1, 0, 0,
        4 if data_file else 0, 0, 0, 4, 104,
    )  # fmt: skip
    with path.open("wb") as file:
        file.write(fixed + area + bytes(8) + name)
        file.seek(1 << 16)
        file.write(struct.pack(">Q", 2 << 16))
        file.seek(2 << 16)
        clusters = 5 if crypt == CRYPT_LUKS else 4
        file.write(struct.pack(f">{clusters}H", *[1] * clusters))
        file.truncate(clusters << 16)
    return path
