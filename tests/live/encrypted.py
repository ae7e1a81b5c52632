"""A chain of three encrypted layers, each with a passphrase of its own, and the bytes a guest would see of it.

Made by QEMU's tools alone: nothing under test had a hand in it.
"""

import hashlib
import random
from pathlib import Path
from typing import NamedTuple

from tests.live.storage import QemuImg, run

SIZE = 4 << 20
PASSPHRASES = (b"top passphrase", b"middle passphrase", b"base passphrase")
#: With the slowest hash, QEMU 7.2 never finds that making a key took no time at all.
_LUKS = "{0}key-secret=k,{0}iter-time=10,{0}hash-alg=sha512"


class EncryptedChain(NamedTuple):
    """Paths and files with passphrases, top first; the sha256 of what was written before anything was encrypted."""

    layers: tuple[Path, Path, Path]
    keys: tuple[Path, Path, Path]
    sha256: str

    def disk_xml(self, secrets: tuple[str, str, str] | None = None) -> str:
        """A ``<disk>`` that names the secrets with these UUIDs; without them it says of each layer that it is encrypted."""
        top, middle, base = (
            f"<source file='{path}'>{_encryption(secrets[number] if secrets else None)}</source>"
            for number, path in enumerate(self.layers)
        )
        return (
            f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>{top}"
            f"<backingStore type='file'><format type='qcow2'/>{middle}"
            f"<backingStore type='file'><format type='raw'/>{base}<backingStore/></backingStore></backingStore>"
            "<target dev='vda' bus='virtio'/></disk>"
        )

    def digests(self) -> list[str]:
        """What the image files hold now."""
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in self.layers]


def _encryption(uuid: str | None) -> str:
    secret = f"<secret type='passphrase' uuid='{uuid}'/>" if uuid else ""
    return f"<encryption format='luks'>{secret}</encryption>"


def make_encrypted_chain(directory: Path, qemu_img: QemuImg) -> EncryptedChain:
    """A LUKS-raw base under two LUKS-in-qcow2 overlays, with data in each."""
    top, middle, base = (directory / name for name in ("top.qcow2", "middle.qcow2", "base.img"))
    keys = []
    for number, passphrase in enumerate(PASSPHRASES):
        keys.append(directory / f"key{number}")
        keys[-1].write_bytes(passphrase)
    content = bytearray(random.Random(5).randbytes(SIZE))  # noqa: S311 (nothing secret)
    plain = directory / "plain"
    plain.write_bytes(content)
    qemu_img(
        *("convert", "--object", f"secret,id=k,file={keys[2]}", "-f", "raw", "-O", "luks"),
        *("-o", _LUKS.format(""), plain, base),
    )
    plain.unlink()
    for image, below, format, key in ((middle, base, "luks", keys[1]), (top, middle, "qcow2", keys[0])):
        options = f"encrypt.format=luks,{_LUKS.format('encrypt.')}"
        qemu_img(
            *("create", "-q", "-u", "--object", f"secret,id=k,file={key}", "-f", "qcow2", "-b", below, "-F", format),
            *("-o", options, image, str(SIZE)),
        )
    objects = [word for n, key in enumerate(keys) for word in ("--object", f"secret,id=k{n},file={key}")]
    base_options = f"driver=luks,key-secret=k2,file.filename={base}"
    middle_options = f"driver=qcow2,encrypt.key-secret=k1,file.filename={middle},{_under('backing', base_options)}"
    top_options = f"driver=qcow2,encrypt.key-secret=k0,file.filename={top},{_under('backing', middle_options)}"
    for options, pattern, start, length in (
        (middle_options, 0x6D, 1 << 16, 1 << 17),
        (top_options, 0x74, 3 << 16, 1 << 20),
    ):
        run("qemu-io", *objects, "--image-opts", options, "-c", f"write -P {pattern} {start} {length}")
        content[start : start + length] = bytes((pattern,)) * length
    return EncryptedChain((top, middle, base), (keys[0], keys[1], keys[2]), hashlib.sha256(content).hexdigest())


def _under(prefix: str, options: str) -> str:
    return ",".join(f"{prefix}.{option}" for option in options.split(","))
