"""Healthy images of every writer at hand, small and with data in them, and what QEMU says of a part of one."""

import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.live.storage import QemuImg, run

from diskchain.storage.terms import Format

_CAPACITY = 3 << 20
_SECTOR = 512


@dataclass(frozen=True)
class Recipe:
    """How an image is made: qemu-img's format and options, then what is done to it. ``base``: it is an overlay, of this format."""

    format: str
    options: str = ""
    steps: tuple[str, ...] = ()
    base: str = ""
    writes: int = 3
    copied: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = (self.format, self.options, f"over {self.base}" if self.base else "", *self.copied, *self.steps)
        return " ".join(filter(None, words))


#: ``{}`` stands for the image.
_SNAPSHOT = "qemu-img snapshot -c one {}"
_BITMAP = "qemu-img bitmap --add -f qcow2 {} daily"
_GROWN = "qemu-img resize -q -f qcow2 {} 9M"
_SHRUNK = "qemu-img resize -q -f qcow2 --shrink {} 1M"
_GRAINS = "qemu-io -f vmdk -c 'write -P 9 0 128k' -c 'write -P 5 1M 192k' {}"
_WRITE = "qemu-io -f qcow2 -c 'write -P 7 1M 200k' {}"

RECIPES = [
    *(Recipe("qcow2", f"cluster_size={size}") for size in ("512", "4k", "64k", "2M")),
    *(Recipe("qcow2", f"cluster_size=4k,refcount_bits={bits}") for bits in (1, 2, 8, 64)),
    *(Recipe("qcow2", f"preallocation={kind}", writes=1) for kind in ("metadata", "falloc", "full")),
    Recipe("qcow2", "compat=0.10"),
    Recipe("qcow2", "extended_l2=on"),
    Recipe("qcow2", "lazy_refcounts=on"),
    Recipe("qcow2", writes=0),
    Recipe("qcow2", steps=(_SNAPSHOT, _WRITE)),
    Recipe(
        "qcow2",
        "cluster_size=4k",
        steps=(_SNAPSHOT, _WRITE, "qemu-img snapshot -c two {}", "qemu-img snapshot -d one {}"),
    ),
    Recipe("qcow2", "cluster_size=4k", steps=(_BITMAP, _WRITE)),
    Recipe("qcow2", steps=(_GROWN, _WRITE)),
    Recipe("qcow2", steps=(_SHRUNK,)),
    Recipe("qcow2", "cluster_size=4k", copied=("-c",)),
    Recipe("qcow2", "compression_type=zstd", copied=("-c",)),
    *(Recipe("qcow2", options, base=base) for base in ("raw", "qcow2", "vmdk") for options in ("", "extended_l2=on")),
    Recipe("qcow"),
    Recipe("qcow", base="raw"),
    Recipe("qcow", copied=("-c",)),
    Recipe("qed"),
    Recipe("qed", "cluster_size=4k,table_size=2", base="qcow2"),
    Recipe("vdi"),
    Recipe("vdi", "static=on"),
    Recipe("vdi", writes=0),
    *(Recipe("vmdk", options) for options in ("", "zeroed_grain=on", "compat6=on")),
    Recipe("vmdk", base="vmdk"),
    Recipe("vmdk", "subformat=streamOptimized", (_GRAINS,), writes=0),
    Recipe("vmdk", "subformat=streamOptimized", copied=("-p",)),
    *(Recipe("vmdk", f"subformat={kind}") for kind in ("monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat")),
    *(Recipe("vpc", f"subformat={kind},force_size=on") for kind in ("dynamic", "fixed")),
    Recipe("vpc", writes=0),
    *(Recipe("vhdx", options) for options in ("", "block_size=1M", "subformat=fixed", "block_size=2M,log_size=2M")),
    Recipe("vhdx", writes=0),
    *(Recipe("parallels", options) for options in ("", "cluster_size=64k")),
    Recipe("parallels", writes=0),
]


def make(qemu_img: QemuImg, recipe: Recipe, path: Path) -> None:
    """Make it at ``path``, with data at places that depend on the recipe alone."""
    chance = random.Random(str(recipe))  # noqa: S311  # reproducible, not secret
    options = ("-o", recipe.options) if recipe.options else ()
    base: tuple[str | Path, ...] = ()
    if recipe.base:
        below = path.with_name(f"base.{recipe.base}")
        _raw(chance, below.with_suffix(".bin"))
        qemu_img("convert", "-q", "-f", "raw", "-O", recipe.base, below.with_suffix(".bin"), below)
        base = ("-b", below, "-F", recipe.base)
    if recipe.copied:
        source = path.with_name("source.bin")
        _raw(chance, source)
        # QEMU 7.2 writes a compressed qcow, which it reads, and ends with 1 all the same.
        done = _run("convert", "-q", *recipe.copied, "-f", "raw", "-O", recipe.format, *options, source, path)
        assert done.returncode == (recipe.format == "qcow"), done.stderr
    else:
        size = () if recipe.base else (str(_CAPACITY),)
        qemu_img("create", "-q", "-f", recipe.format, *options, *base, path, *size)
        for _ in range(recipe.writes):
            at = chance.randrange(_CAPACITY // 2 // _SECTOR) * _SECTOR
            length = chance.choice((512, 4096, 65536, 300032))
            run("qemu-io", "-f", recipe.format, "-c", f"write -P {chance.randrange(1, 256)} {at} {length}", path)
    for step in recipe.steps:
        subprocess.run(["bash", "-c", step.format(path)], check=True, capture_output=True)


def _raw(chance: random.Random, path: Path) -> None:
    """A disk with runs of random bytes and of zeros."""
    runs = (chance.choice((bytes, chance.randbytes))(chance.randrange(1, 9) << 16) for _ in range(8))
    path.write_bytes(b"".join(runs)[: _CAPACITY - 512].ljust(_CAPACITY - 512, b"\1"))


def harmed(recipe: Recipe, path: Path, whole: Path) -> str | None:
    """What is wrong with the image at ``path`` by QEMU: refused, an error of ``qemu-img check``, or another content than ``whole``'s.

    ``whole`` is a raw copy of the disk as it should be. None: nothing.
    """
    compared = _run("compare", "-f", recipe.format, "-F", "raw", path, whole)
    if compared.returncode:
        return (compared.stdout + compared.stderr).strip().replace("\n", " ")[:200] or "the contents differ"
    checked = _run("check", "-f", recipe.format, path)
    if checked.returncode in (0, 63):  # 63: the format has no check
        return None
    return f"qemu-img check: {checked.returncode}"


def _run(verb: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["qemu-img", verb, *arguments], capture_output=True, text=True, errors="replace", check=False)


def cuts(recipe: Recipe, size: int, count: int) -> list[int]:
    """``count`` lengths below ``size``, anywhere, and half of them near the end."""
    chance = random.Random(f"cuts of {recipe}")  # noqa: S311  # reproducible, not secret
    anywhere: Callable[[], int] = lambda: chance.randrange(size)  # noqa: E731
    near: Callable[[], int] = lambda: max(0, size - 1 - int(chance.expovariate(1 / 20_000)))  # noqa: E731
    return [chance.choice((anywhere, near))() for _ in range(count)]


FORMATS = {format.value: format for format in Format}
