"""One small image of every format, made once, and copies of them; and what each is as a Source.

Knows qemu-img. LUKS keys take long to make, so nobody makes more of them than there are kinds.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.location import FileLocation
from diskchain.storage.slice import Slice
from diskchain.storage.source import Source
from diskchain.storage.terms import Format
from tests.live.storage import QemuImg

SIZE = 1 << 20
#: Where an image begins that lies in the middle of a larger file.
OFFSET = 1 << 16
PASSPHRASE = b"correct horse battery staple"
#: With the slowest hash, QEMU 7.2 never finds that making a key took no time at all.
LUKS_OPTIONS = "{prefix}key-secret=k,{prefix}iter-time=10,{prefix}hash-alg=sha512"

OVERLAY_KINDS = ("qcow2", "qcow2-v2", "qcow2-luks", "qcow2-aes", "qcow2-data", "qcow2-sliced", "qed", "qcow")
BASE_KINDS = (*OVERLAY_KINDS, "raw", "raw-sliced", "luks", "luks-sliced", "vmdk", "vdi", "vpc", "vhdx", "parallels")


class Kind(NamedTuple):
    """``encrypted`` layers open with :data:`PASSPHRASE`."""

    name: str
    format: Format
    options: str = ""
    sliced: bool = False

    @property
    def encryption(self) -> EncryptionFormat | None:
        """As a Source has it."""
        if "luks" in self.name:
            return EncryptionFormat.LUKS
        return EncryptionFormat.QCOW if "aes" in self.name else None


_INSIDE = LUKS_OPTIONS.format(prefix="encrypt.")
KINDS = {
    kind.name: kind
    for kind in (
        *(Kind(str(format), format) for format in Format if str(format) in BASE_KINDS and format is not Format.LUKS),
        Kind("qcow2-v2", Format.QCOW2, "compat=0.10"),
        Kind("qcow2-luks", Format.QCOW2, f"encrypt.format=luks,{_INSIDE}"),
        Kind("qcow2-aes", Format.QCOW2, "encrypt.format=aes,encrypt.key-secret=k"),
        Kind("qcow2-data", Format.QCOW2),
        Kind("qcow2-sliced", Format.QCOW2, sliced=True),
        Kind("raw-sliced", Format.RAW, sliced=True),
        Kind("luks", Format.RAW, LUKS_OPTIONS.format(prefix="")),
        Kind("luks-sliced", Format.RAW, LUKS_OPTIONS.format(prefix=""), sliced=True),
    )
}


class Templates:
    """Images in ``directory``, made when first asked for."""

    def __init__(self, directory: Path, qemu_img: QemuImg) -> None:
        self._directory = directory
        self._qemu_img = qemu_img
        self._key = directory / "key"
        self._key.write_bytes(PASSPHRASE)

    def copy(self, kind: Kind, path: Path) -> Source:
        """A new image at ``path`` as a Source with nothing said of what is below."""
        data_file = None
        if kind.name == "qcow2-data":
            # Its header names the data file, so there is no template.
            data_file = Source(FileLocation(f"{path}.data"), Format.RAW, readonly=True)
            self._qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={path}.data", path, str(SIZE))
        else:
            shutil.copyfile(self._template(kind), path)
        window = Slice(OFFSET, path.stat().st_size - 2 * OFFSET) if kind.sliced else None
        encryption = Encryption(kind.encryption) if kind.encryption else None
        return Source(FileLocation(str(path)), kind.format, data_file=data_file, encryption=encryption, slice=window)

    def _template(self, kind: Kind) -> Path:
        path = self._directory / kind.name
        if not path.exists():
            options = ["-o", kind.options] if kind.options else []
            format = "luks" if kind.name.startswith("luks") else str(kind.format)
            key = ["--object", f"secret,id=k,file={self._key}"] if kind.encryption else []
            self._qemu_img("create", "-q", *key, "-f", format, *options, path, str(SIZE))
            if kind.sliced:
                image = path.read_bytes()
                path.write_bytes(bytes(OFFSET) + image + bytes(-len(image) % OFFSET + OFFSET))
        return path
