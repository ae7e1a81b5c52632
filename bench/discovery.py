"""Discovery of a deep chain and of a forest of images, beside the floor (open, fstat, pread, close per file) and qemu-img.

Warm unless it says cold; root alone can make the cache cold.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import pyqcow
from dissect.hypervisor.disk.qcow2 import QCow2
from images import write_qcow2
from rows import Row, best

from diskchain.checks.consistency import examine
from diskchain.discover import Discoverer
from diskchain.discover.batch import discover_many
from diskchain.readers.policy import LIBVIRT
from diskchain.storage.location import FileLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format

MIB = 1 << 20
DROP_CACHES = Path("/proc/sys/vm/drop_caches")
DEPTH = 200
BASES, CHAINS_PER_BASE, OVERLAYS = 200, 11, 9  # with the bases: 20,000 images


def run() -> Iterator[Row]:
    """Rows for a 200-layer chain and for 20,000 images."""
    with tempfile.TemporaryDirectory(prefix="diskchain-bench-") as directory:
        yield from _chain(Path(directory))
        yield from _forest(Path(directory))


def _source(path: str) -> Source:
    return Source(FileLocation(path), Format.QCOW2)


def _floor(paths: list[str]) -> None:
    for path in paths:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        os.fstat(fd)
        os.pread(fd, 4096, 0)
        os.close(fd)


def _by_pyqcow(path: str) -> str:
    """What libqcow says is below an image, with what it takes to follow that: pyqcow does not follow chains."""
    image = pyqcow.file()
    image.open(path)
    image.get_media_size()
    name = image.get_backing_filename()
    image.close()
    return path[: path.rindex("/") + 1] + name


def _by_dissect(path: str) -> str:
    """The same of dissect.hypervisor."""
    with Path(path).open("rb") as file:
        name = QCow2(file, allow_no_backing_file=True).auto_backing_file
    return path[: path.rindex("/") + 1] + name


PEERS = {"pyqcow (libqcow, C)": _by_pyqcow, "dissect.hypervisor": _by_dissect}


def _followed(below: Callable[[str], str], tops: Iterable[str]) -> None:
    """The chains of ``tops`` down to their raw base, each image read once."""
    known: dict[str, str] = {}
    for top in tops:
        path = top
        while path.endswith("qcow2"):
            if path not in known:
                known[path] = below(path)
            path = known[path]


def _stack(below: Path, format: str, prefix: str, count: int) -> list[str]:
    made = []
    for number in range(count):
        path = below.with_name(f"{prefix}{number}.qcow2")
        write_qcow2(path, MIB, below.name, format)
        made.append(str(path))
        below, format = path, "qcow2"
    return made


def _base(path: Path) -> Path:
    with path.open("wb") as file:
        file.truncate(MIB)
    return path


def _chain(directory: Path) -> Iterator[Row]:
    base = _base(directory / "base.raw")
    paths = [str(base), *_stack(base, "raw", "layer", DEPTH - 1)]
    top = paths[-1]
    assert len(list(Discoverer(LIBVIRT).discover(_source(top)).layers)) == DEPTH
    ours, floor = best(lambda: Discoverer(LIBVIRT).discover(_source(top)), lambda: _floor(paths), rounds=50)
    yield Row(f"a chain of {DEPTH} layers", ours, "the floor", floor, 2.5)
    examined, floor = best(lambda: examine(Discoverer().discover(_source(top))), lambda: _floor(paths), rounds=50)
    yield Row("the same, and examined", examined, "the floor", floor)
    for peer, below in PEERS.items():
        ours, theirs = best(
            lambda: Discoverer(LIBVIRT).discover(_source(top)), partial(_followed, below, [top]), rounds=30
        )
        yield Row(f"a chain of {DEPTH} layers", ours, peer, theirs, 1.0)
    command = ["qemu-img", "info", "--backing-chain", "--output=json", top]
    (qemu,) = best(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL), rounds=3)
    yield Row(f"a chain of {DEPTH} layers", ours, "qemu-img info --backing-chain", qemu)


def _forest(directory: Path) -> Iterator[Row]:
    paths = []
    for number in range(BASES):
        place = directory / f"{number}"
        place.mkdir()
        base = _base(place / "base.raw")
        paths.append(str(base))
        for chain in range(CHAINS_PER_BASE):
            paths += _stack(base, "raw", f"{chain}-", OVERLAYS)
    sources = [Source(FileLocation(path), Format.QCOW2 if path.endswith("qcow2") else Format.RAW) for path in paths]

    def one_by_one() -> None:
        discoverer = Discoverer(LIBVIRT)
        for source in sources:
            discoverer.discover(source)

    def together() -> None:
        _exhaust(discover_many(Discoverer(LIBVIRT), ((source, False) for source in sources)))

    warm, single, floor = best(together, one_by_one, lambda: _floor(paths), rounds=10)
    yield Row(f"each of {len(paths):,} images, chains up to 10 deep", warm, "the floor", floor, 2.5)
    yield Row("the same, one by one", single, "the floor", floor)
    for peer, below in PEERS.items():
        ours, theirs = best(together, partial(_followed, below, paths), rounds=5)
        yield Row("the same", ours, peer, theirs, 1.0)
    guessed = [(Source(FileLocation(path)), True) for path in paths]
    ours, floor = best(lambda: _exhaust(discover_many(Discoverer(LIBVIRT), guessed)), lambda: _floor(paths), rounds=10)
    yield Row("the same, formats guessed", ours, "the floor", floor)
    for option in ((), ("--json",)):
        command = [sys.executable, "-m", "diskchain", "check", *option, *paths]
        ours, floor = best(partial(_run, command), lambda: _floor(paths), rounds=3)
        yield Row(f"diskchain check {' '.join(option)} of them, a process", ours, "the floor", floor, 4.0)
    if os.access(DROP_CACHES, os.W_OK):
        cold, single = (min(_cold(action) for _ in range(3)) for action in (together, one_by_one))
        yield Row("the same, cold", cold, "one by one, cold", single, 0.5)
    few = paths[9 : 9 + 20 * 9 : 9]
    (qemu,) = best(lambda: [_info(path) for path in few], rounds=1)
    yield Row("one of them", warm / len(paths), "qemu-img info --backing-chain", qemu / len(few))


def _exhaust(chains: Iterable[object]) -> None:
    for _ in chains:
        pass


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _cold(action: Callable[[], None]) -> float:
    os.sync()
    DROP_CACHES.write_text("3")  # page cache, dentries and inodes; Documentation/admin-guide/sysctl/vm.rst
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _info(path: str) -> None:
    command = ["qemu-img", "info", "--backing-chain", "--output=json", path]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
