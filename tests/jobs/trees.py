"""A tree of images for jobs, what each disk of it reads as, and what a job may leave behind."""

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.live.storage import QemuImg

DISK = (
    "<domain type='kvm'><name>vm</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>"
    "<disk type='file' device='disk'><driver name='qemu' type='{format}'/><source file='{top}'/>{below}"
    "<target dev='vda' bus='virtio'/></disk></devices></domain>"
)


@dataclass(frozen=True)
class Tree:
    """base <- mid <- low <- top, all with data of their own, some over each other's; other, which has nothing to do with them; the journal."""

    place: Path
    names: tuple[str, ...] = ("top", "low", "mid", "base")

    def path(self, name: str) -> str:
        return str(self.place / f"{name}.qcow2")

    @property
    def state(self) -> str:
        return str(self.place / "state")

    @property
    def top(self) -> str:
        return self.path("top")

    def document(self, below: str = "") -> Path:
        path = self.place / "vm.xml"
        path.write_text(DISK.format(format="qcow2", top=self.top, below=below))
        return path


def make(qemu_img: QemuImg, place: Path, size: str = "8M") -> Tree:
    """The tree, in a directory of its own."""
    tree = Tree(place)
    place.mkdir(exist_ok=True)
    below = None
    for number, name in enumerate(reversed(tree.names)):
        if below is None:
            qemu_img("create", "-q", "-f", "qcow2", tree.path(name), size)
        else:
            qemu_img("create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", tree.path(name))
        write(tree.path(name), number + 1, f"{number}M", "2M")
        write(tree.path(name), number + 65, f"{5 * 1024 + number * 64}k", "64k")
        below = f"{name}.qcow2"
    zero(tree.path("low"), "1M", "64k")
    qemu_img("create", "-q", "-f", "qcow2", tree.path("other"), size)
    write(tree.path("other"), 77, "0", "7M")
    return tree


def write(path: str, pattern: int, at: str, length: str) -> None:
    subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", f"write -P {pattern} {at} {length}", path], check=True, capture_output=True
    )


def zero(path: str, at: str, length: str) -> None:
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -z {at} {length}", path], check=True, capture_output=True)


def content(path: str | Path, place: Path) -> str:
    """What a guest reads of an image through its whole chain, by its headers."""
    raw = place / "content.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", str(path), str(raw)], check=True)
    with raw.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    raw.unlink()
    return digest


def backing(path: str) -> tuple[str | None, str | None]:
    """What the header of an image names, by QEMU."""
    info = json.loads(
        subprocess.run(["qemu-img", "info", "--output=json", path], check=True, capture_output=True).stdout
    )
    return info.get("backing-filename"), info.get("backing-filename-format")


def left_behind(place: Path) -> list[str]:
    """Files of ours that are neither images nor the journal, and processes that have a file of the tree open."""
    files = [path.name for path in place.rglob("*") if path.is_file()]
    left = [name for name in files if not name.endswith((".qcow2", ".xml", ".raw")) and name != "jobs.db"]
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                held = [str(each.readlink()) for each in (process / "fd").iterdir()]
            except OSError:
                continue
            left += [f"{process.name}: {name}" for name in held if name.startswith(str(place))]
    return left
