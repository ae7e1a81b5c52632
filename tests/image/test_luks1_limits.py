"""Every number of a LUKS1 header set to every edge value, and names of ciphers: ours finds fault where qemu-img info does.

Exceptions: data that begin behind the end of the file are malformed to us, while QEMU fails only when it reads them; and QEMU 7.2
computes the end of a key slot in 32 bits, so that one at the last sector of all seems to end at the start.
"""

import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from tests.image.test_luks import MiB, luks_format
from tests.image.windows import file_window
from tests.live.peers import requires

from diskchain.errors import ImageError
from diskchain.image.formats.luks import parse

pytestmark = requires("cryptsetup")

PAYLOAD, KEY_BYTES, ITERATIONS, SLOTS = 104, 108, 164, 208
SLOT_SIZE, SLOT_START, SLOT_FIELDS = 48, 40, (0, 4, 40, 44)
EDGES = (0, 1, 7, 8, 9, 16, 32, 64, 256, 512, 4000, 4096, 0xDEAD, 0x00AC71F3, (1 << 31) - 1, (1 << 32) - 1)

Change = tuple[int, bytes]


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return luks_format(tmp_path_factory.mktemp("luks1") / "disk", "--type", "luks1", size=4 * MiB)


def numbers(image: bytes) -> Iterator[Change]:
    places = [PAYLOAD, KEY_BYTES, ITERATIONS]
    places += [SLOTS + SLOT_SIZE * slot + field for slot in (0, 1, 6, 7) for field in SLOT_FIELDS]
    for at in places:
        (own,) = struct.unpack_from(">I", image, at)
        for value in sorted({*EDGES, max(own, 1) - 1, own, own + 1, own * 2}):
            behind = at == PAYLOAD and value * 512 > 4 * MiB
            wraps = (at - SLOTS) % SLOT_SIZE == SLOT_START and value == (1 << 32) - 1
            if not behind and not wraps:
                yield at, struct.pack(">I", value & 0xFFFFFFFF)


def names(_: bytes) -> Iterator[Change]:
    for cipher in ("aes", "AES", "camellia", "serpent", "twofish", "cast5", "blowfish", ""):
        for mode in (
            "xts-plain64",
            "cbc-essiv:sha256",
            "cbc-essiv",
            "cbc-plain:sha1",
            "lrw-plain64",
            "ecb",
            "xts-plain65",
        ):
            for bits in (128, 256, 512):
                text = cipher.encode().ljust(32, b"\0") + mode.encode().ljust(32, b"\0")
                yield 8, text + b"sha256".ljust(32, b"\0") + struct.pack(">II", 4040, bits // 8)
    for name in ("sha1", "md5", "whirlpool", "sha3-256", "ripemd160", ""):
        yield 72, name.encode().ljust(32, b"\0")
    for mode in (
        "cbc-plain64:whirlpool",
        *(f"cbc-essiv:{name}" for name in ("whirlpool", "md5", "sha1", "sha224", "sha512")),
    ):
        yield 40, mode.encode().ljust(32, b"\0")


@pytest.mark.usefixtures("qemu_img")
@pytest.mark.parametrize("changes", [numbers, names])
def test_ours_finds_fault_where_qemu_does_and_nowhere_else(
    container: Path, tmp_path: Path, changes: Callable[[bytes], Iterator[Change]]
) -> None:
    def differs(number: int, change: Change) -> str | None:
        at, put = change
        path = tmp_path / str(number)
        shutil.copyfile(container, path)
        with path.open("r+b") as file:
            file.seek(at)
            file.write(put)
        try:
            ours = [message for _, message in parse(file_window(path)).remarks]
        except ImageError as error:
            ours = [str(error)]
        done = subprocess.run(
            ["qemu-img", "info", "-f", "luks", str(path)], capture_output=True, text=True, timeout=60, check=False
        )
        path.unlink()
        return f"{at}: {put!r}: {ours}, {done.stderr}" if bool(ours) != bool(done.returncode) else None

    with ThreadPoolExecutor(3) as threads:
        different = [found for found in threads.map(differs, count(), changes(container.read_bytes()[:1024])) if found]

    assert different == []
