"""Every word of a qcow2 header set to every edge value: ours refuses the image, or calls it unknown, where qemu-img info does.

Exceptions, each with its reason:

* marked as having a raw data file, without having one: ``info`` does not open data files any more (CVE-2024-4467) and so does not
  see it; what opens the image for use refuses it, which qemu-io is asked here.
* what a header points to: ``info`` always reads snapshot table and LUKS header, ours only in full, and so it does here for the words
  that say where they are.
* 65536 snapshots, as many as QEMU allows: their table would end behind the file, where QEMU reads zeros and ours nothing.
* a bitmap whose table does not fit the capacity: ours reads the directory of bitmaps, not their tables.
* more than 512 header extensions: ours is a bound on work. No edge value makes so many.
"""

import shutil
import struct
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.image.windows import file_window
from tests.live.peers import demand
from tests.live.storage import QemuImg

from diskchain.errors import ImageError
from diskchain.image.formats.qcow2 import parse

KINDS = {
    "overlay": ("-b", "base.raw", "-F", "raw", "-o", "compat=1.1"),
    "version 2": ("-o", "compat=0.10"),
    "extended": ("-o", "compression_type=zstd,extended_l2=on,lazy_refcounts=on,refcount_bits=1"),
    "small clusters": ("-o", "cluster_size=512"),
    "large clusters": ("-o", "cluster_size=2M,refcount_bits=64"),
    "bitmap": ("-o", "compat=1.1"),
    "encrypted": ("--object", "secret,id=s,data=k", "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"),
}  # fmt: skip
WORD_EDGES = (
    0, 1, 2, 3, 4, 6, 7, 8, 9, 13, 14, 16, 21, 22, 103, 104, 112, 511, 512, 513, 1023, 1024, 4095, 4096, 1 << 16, (1 << 16) + 1,
    1 << 22, (1 << 22) + 1, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1,
)  # fmt: skip
#: Of fields of two words: where tables may begin, how far an image reaches.
LONG_EDGES = (
    1 << 48,
    (1 << 62) - (1 << 21),
    (1 << 63) - (1 << 31),
    (1 << 63) - (1 << 30),
    (1 << 63) - (1 << 21),
    1 << 63,
)
LONG_FIELDS = (8, 24, 40, 48, 64)
RAW_DATA_FILE = range(88, 96)
POINTERS = (60, 64, 68, 120, 124)
#: Words of extensions: those that say how long, and where the LUKS header or the bitmap directory is.
LAST_WORD = {"overlay": 144, "bitmap": 160, "encrypted": 152, "version 2": 72}


class Case(NamedTuple):
    """``value`` at byte ``at``, in so many ``bytes``."""

    at: int
    bytes: int
    value: int

    def of(self, image: Path, directory: Path) -> Path:
        """A changed copy of ``image``."""
        path = directory / f"{self.at}-{self.bytes}-{self.value:x}"
        shutil.copyfile(image, path)
        with path.open("r+b") as file:
            file.seek(self.at)
            file.write(self.value.to_bytes(self.bytes))
        return path


@pytest.fixture(scope="module")
def images(qemu_img: QemuImg, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("qcow2-words")
    qemu_img("create", "-q", "-f", "raw", directory / "base.raw", "64M")
    made = {kind: directory / f"{number}.qcow2" for number, kind in enumerate(KINDS)}
    for kind, path in made.items():
        qemu_img("create", "-q", "-f", "qcow2", *KINDS[kind], path, "64M")
    qemu_img("bitmap", "--add", made["bitmap"], "b")
    return made


def cases(image: Path, kind: str) -> Iterator[Case]:
    with image.open("rb") as file:
        head = file.read(512)
    for at in range(4, LAST_WORD.get(kind, 112), 4):
        (own,) = struct.unpack_from(">I", head, at)
        edges = WORD_EDGES if kind in ("overlay", "extended") else WORD_EDGES[::3]
        if (kind, at) == ("bitmap", 28):
            continue
        for value in sorted({*edges, max(own, 1) - 1, own, (own + 1) % (1 << 32)}):
            if (at, value) != (60, 1 << 16):
                yield Case(at, 4, value)
    for at in LONG_FIELDS:
        for value in LONG_EDGES:
            yield Case(at, 8, value)


def ours_refuses(path: Path, *, full: bool) -> bool:
    try:
        header = parse(file_window(path), full=full)
    except ImageError:
        return True
    return header.features is not None and bool(header.features.unknown_incompatible)


def qemu_refuses(*command: str | Path) -> bool:
    return subprocess.run([*map(str, command)], capture_output=True, timeout=60, check=False).returncode != 0


@pytest.mark.parametrize("kind", KINDS)
def test_ours_refuses_what_qemu_refuses_and_nothing_else(kind: str, images: dict[str, Path], tmp_path: Path) -> None:
    image = images[kind]
    (tmp_path / "base.raw").symlink_to(image.parent / "base.raw")

    def differs(case: Case) -> str | None:
        path = case.of(image, tmp_path)
        try:
            ours, theirs = (
                ours_refuses(path, full=case.at in POINTERS),
                qemu_refuses("qemu-img", "info", "-U", "-f", "qcow2", path),
            )
            if ours and not theirs and case.at in RAW_DATA_FILE:
                theirs = qemu_refuses("qemu-io", "-r", "-f", "qcow2", "-c", "quit", path)
        finally:
            path.unlink()
        return f"{case}: ours {ours}, QEMU {theirs}" if ours != theirs else None

    demand("qemu-io")
    with ThreadPoolExecutor(3) as threads:
        different = [found for found in threads.map(differs, cases(image, kind)) if found]

    assert different == []
