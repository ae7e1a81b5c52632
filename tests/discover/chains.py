"""Chains on disk for the tests of discovery, made by qemu-img."""

from pathlib import Path

from tests.live.storage import QemuImg

from diskchain.discover import BackingChain, Discoverer
from diskchain.storage.location import FileLocation, local_path
from diskchain.storage.source import Source
from diskchain.storage.terms import Format


def overlay(qemu_img: QemuImg, path: Path, backing: str, backing_format: str = "qcow2", *options: str) -> Path:
    """A qcow2 image over ``backing``, which need not exist, stored just as given."""
    more = [word for option in options for word in ("-o", option)]
    qemu_img("create", "-q", "-u", "-f", "qcow2", "-F", backing_format, "-b", backing, *more, path, "1M")
    return path


def unrecorded_overlay(qemu_img: QemuImg, path: Path, backing: str) -> Path:
    """A qcow2 image that names ``backing`` and no format for it, as QEMU before 6.1 made them."""
    overlay(qemu_img, path, backing, "raw")
    data = path.read_bytes()
    mark = data.index((0xE2792ACA).to_bytes(4))
    # A private extension type: readers step over what they do not know.
    path.write_bytes(data[:mark] + b"none" + data[mark + 4 :])
    return path


def discover(path: Path, format: Format | None = Format.QCOW2, *, probe: bool = False) -> BackingChain:
    return Discoverer().discover(Source(FileLocation(str(path)), format), probe=probe)


def paths(chain: BackingChain) -> list[str | None]:
    return [local_path(layer.source.location) for layer in chain.layers]


def ids(chain: BackingChain) -> list[str]:
    return [found.id for found in chain.findings]
