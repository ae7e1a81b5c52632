"""Other readers of images (libvhdi, libvmdk, libqcow, dissect) read less of a part of an image than of all: then ``check`` is not clean."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyqcow
import pytest
import pyvhdi
import pyvmdk
from dissect.hypervisor.disk.vdi import VDI
from tests.checks.test_whole_files import CUTS, beyond_a_bounded_look, faults
from tests.checks.whole_images import Recipe, cuts, make
from tests.live.storage import QemuImg

_PIECE = 1 << 16


def _all(read: Callable[[int], bytes], size: int) -> bytes:
    pieces = []
    while size > 0:
        piece = read(min(size, _PIECE))
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _by_libyal(opened: Any, path: Path) -> bytes:
    opened.open(str(path))
    try:
        if hasattr(opened, "open_extent_data_files"):
            opened.open_extent_data_files()
        return _all(opened.read_buffer, opened.get_media_size())
    finally:
        opened.close()


def _by_dissect(path: Path) -> bytes:
    with path.open("rb") as file:
        disk = VDI(file)
        return _all(disk.open().read, disk.size)


READERS: dict[str, Callable[[Path], bytes]] = {
    "qcow2": lambda path: _by_libyal(pyqcow.file(), path),
    "vpc": lambda path: _by_libyal(pyvhdi.file(), path),
    "vhdx": lambda path: _by_libyal(pyvhdi.file(), path),
    "vmdk": lambda path: _by_libyal(pyvmdk.handle(), path),
    "vdi": _by_dissect,
}
RECIPES = [
    Recipe("qcow2", "cluster_size=4k"),
    Recipe("qcow2", "compat=0.10"),
    Recipe("vpc", "subformat=dynamic,force_size=on"),
    Recipe("vpc", "subformat=fixed,force_size=on"),
    Recipe("vhdx", "block_size=1M"),
    Recipe("vmdk"),
    Recipe("vdi"),
    Recipe("vdi", "static=on"),
]


def _harmed(read: Callable[[Path], bytes], part: Path, whole: bytes) -> bool:
    try:
        return read(part) != whole
    except (OSError, ValueError, EOFError, IndexError, NotImplementedError):
        return True
    except Exception as error:
        if "dissect" in type(error).__module__ or "struct" in type(error).__module__:
            return True
        raise


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_what_another_reader_misses_is_told(qemu_img: QemuImg, tmp_path: Path, recipe: Recipe) -> None:
    # libvmdk opens the extent that the descriptor names, which is the image by its name.
    path, part, read = tmp_path / "image.vmdk", tmp_path / "part" / "image.vmdk", READERS[recipe.format]
    part.parent.mkdir()
    make(qemu_img, recipe, path)
    whole = read(path)
    data = path.read_bytes()
    harmed, missed = 0, []
    for cut in cuts(recipe, len(data), CUTS):
        part.write_bytes(data[:cut])
        if _harmed(read, part, whole):
            harmed += 1
            if not faults(part, recipe.format) and not beyond_a_bounded_look(recipe, len(data), cut):
                missed.append((cut, len(data)))
    assert missed == []
    assert harmed, "a judge that finds nothing is none"
