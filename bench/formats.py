"""One header of each format, from open to close, beside libyal's readers (C) and dissect.hypervisor reading the same file."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyqcow
import pyvhdi
import pyvmdk
from dissect.hypervisor.disk.qcow2 import QCow2
from dissect.hypervisor.disk.vdi import VDI
from dissect.hypervisor.disk.vhd import VHD
from dissect.hypervisor.disk.vhdx import VHDX
from dissect.hypervisor.disk.vmdk import VMDK
from rows import Row, best

from diskchain.image.inspect import inspect
from diskchain.readers.local import open_local
from diskchain.storage.terms import Format

TIMES = 50
SIZE = "10G"
#: Format, options of `qemu-img create`, the peers.
IMAGES: tuple[tuple[Format, tuple[str, ...], tuple[str, ...]], ...] = (
    (Format.QCOW2, ("-u", "-b", "base.raw", "-F", "raw"), ("libqcow", "dissect")),
    (Format.QCOW, (), ("libqcow",)),
    (Format.VMDK, (), ("libvmdk", "dissect")),
    (Format.VPC, (), ("libvhdi", "dissect")),
    (Format.VHDX, (), ("libvhdi", "dissect")),
    (Format.VDI, (), ("dissect",)),
)


def _ours(path: Path, format: Format) -> Callable[[], object]:
    name = str(path)

    def read() -> None:
        with open_local(name) as image:
            inspect(image.window(), format)

    return read


def _libyal(path: Path, make: Callable[[], Any], parent: str) -> Callable[[], object]:
    name = str(path)

    def read() -> None:
        image = make()
        image.open(name)
        image.get_media_size()
        getattr(image, parent)()
        image.close()

    return read


def _dissect(path: Path, format: Format) -> Callable[[], object]:
    def read() -> None:
        with path.open("rb") as file:
            match format:
                case Format.QCOW2:
                    QCow2(file, allow_no_backing_file=True)
                case Format.VMDK:
                    VMDK(file)
                case Format.VPC:
                    VHD(file)
                case Format.VHDX:
                    VHDX(file)
                case _:
                    VDI(file)

    return read


def _repeated(action: Callable[[], object]) -> Callable[[], object]:
    def repeat() -> None:
        for _ in range(TIMES):
            action()

    return repeat


def run() -> Iterator[Row]:
    """A row for each format and peer."""
    libyal = {
        "libqcow": (pyqcow.file, "get_backing_filename"),
        "libvmdk": (pyvmdk.handle, "get_parent_filename"),
        "libvhdi": (pyvhdi.file, "get_parent_identifier"),
    }
    with tempfile.TemporaryDirectory(prefix="diskchain-bench-") as directory:
        for format, options, peers in IMAGES:
            path = Path(directory) / f"image.{format}"
            command = ["qemu-img", "create", "-q", "-f", format.value, *options, path, SIZE]
            subprocess.run(command, check=True)
            readers = [_libyal(path, *libyal[peer]) if peer in libyal else _dissect(path, format) for peer in peers]
            ours, *theirs = best(*(_repeated(action) for action in (_ours(path, format), *readers)))
            for peer, seconds in zip(peers, theirs, strict=True):
                goal = 1.0 if peer in ("libqcow", "dissect") else None
                yield Row(f"a {format} header", ours / TIMES, peer, seconds / TIMES, goal)
