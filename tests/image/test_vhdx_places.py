"""Where a VHDX keeps its log and its regions: ours refuses what overlaps or is out of place, as QEMU does."""

import struct
import subprocess
from pathlib import Path
from uuid import UUID

import pytest
from tests.image.makers import vhdx
from tests.image.makers.vhdx import KiB, MiB, Vhdx
from tests.image.windows import file_window

from diskchain.errors import ImageError
from diskchain.image.formats.vhdx import parse

pytestmark = pytest.mark.usefixtures("qemu_img")

HEADERS, TABLES = (64 * KiB, 128 * KiB), (192 * KiB, 256 * KiB)
LOG_VERSION, LOG_LENGTH, LOG_AT = (64, "<H"), (68, "<I"), (72, "<Q")
NO_LOG, A_LOG = Vhdx(), Vhdx(log=UUID(int=9), entry=False)
PLACES = (0, KiB, 64 * KiB, MiB, MiB + 512, 2 * MiB, 3 * MiB, 4 * MiB, 1 << 40)
CHANGES = [
    *((LOG_VERSION, version) for version in (0, 1)),
    *((LOG_LENGTH, length) for length in (0, 512, 4096, MiB, MiB + 1, 2 * MiB, 3 * MiB, (1 << 32) - 1)),
    *((LOG_AT, place) for place in (*PLACES, 1 << 63)),
]


def with_field(image: bytes, copies: tuple[int, int], size: int, at: int, field: bytes) -> bytes:
    """Both copies of a structure of ``size`` bytes changed, with the right checksum."""
    data = bytearray(image)
    for copy in copies:
        data[copy + at : copy + at + len(field)] = field
        data[copy + 4 : copy + 8] = bytes(4)
        data[copy : copy + size] = vhdx.sealed(bytes(data[copy : copy + size]))
    return bytes(data)


def refusals(path: Path, image: bytes) -> tuple[bool, bool]:
    """Whether ours refuses the image, and whether qemu-img does."""
    path.write_bytes(image)
    done = subprocess.run(["qemu-img", "info", "-f", "vhdx", str(path)], capture_output=True, timeout=60, check=False)
    try:
        parse(file_window(path))
    except ImageError:
        return True, done.returncode != 0
    return False, done.returncode != 0


@pytest.mark.parametrize("image", [NO_LOG, A_LOG], ids=["no log", "a log"])
@pytest.mark.parametrize(("field", "value"), CHANGES)
def test_a_log_out_of_place_is_malformed_as_it_is_for_qemu(
    tmp_path: Path, image: Vhdx, field: tuple[int, str], value: int
) -> None:
    at, layout = field
    changed = with_field(vhdx.make(image), HEADERS, 4 * KiB, at, struct.pack(layout, value))
    ours, theirs = refusals(tmp_path / "disk", changed)
    assert ours == theirs


@pytest.mark.parametrize("row", [0, 1, 2], ids=["block table", "metadata", "optional"])
@pytest.mark.parametrize(("at", "length"), [(MiB, MiB), (2 * MiB, MiB), (3 * MiB, MiB), (4 * MiB, MiB)])
def test_regions_that_overlap_another_or_the_log_are_malformed_as_they_are_for_qemu(
    tmp_path: Path, row: int, at: int, length: int
) -> None:
    image = vhdx.make(Vhdx(extra_region=UUID(int=77)))
    image = with_field(image, TABLES, 64 * KiB, 16 + 32 * 2 + 28, bytes(4))  # the third is not required
    if row == 1:
        image = image[: 4 * MiB] + image[2 * MiB : 3 * MiB]  # so that there are metadata to be read
    changed = with_field(image, TABLES, 64 * KiB, 16 + 32 * row + 16, struct.pack("<QI", at, length))
    ours, theirs = refusals(tmp_path / "disk", changed)
    assert ours == theirs
