"""Maps and deep checks, in CPU time: beside reading every L2 table once (the floor), and beside qemu-img on the same files.

The images have full tables and holes for data (:mod:`tests.allocation.big_images`). Also what the totals of 10 TiB take of memory.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from rows import Row
from tests.allocation.big_images import BITS, CLUSTER, scattered, write_qcow2

import diskchain
from diskchain.allocation.integrity.check_layer import deep_findings
from diskchain.allocation.layer_map import LayerMap
from diskchain.allocation.open_layer import open_tables
from diskchain.allocation.qcow2_tables import Qcow2Tables
from diskchain.units import GiB, TiB

_ROUNDS = 3
_MOST_MEMORY = 80  # MiB
_PEAK = """
import sys, diskchain
diskchain.layer_map(sys.argv[1]).totals()
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) >> 10)  # ru_maxrss is that of whoever started this, if that was larger
"""


def _cpu(action: Callable[[], object]) -> float:
    """The least CPU time of some rounds, in seconds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        started = time.process_time()
        action()
        best = min(best, time.process_time() - started)
    return best


def _cpu_of(*command: str | Path) -> float:
    """CPU time of another process, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _floor(path: Path) -> Callable[[], None]:
    """Reads every L2 table of a chain once, and does nothing with it."""
    chain = diskchain.discover(path)
    places = []
    for layer in chain.layers:
        tables = open_tables(layer)
        assert isinstance(tables, Qcow2Tables)
        places.append((os.fspath(layer.source.location.path), tables.l1[tables.l1 > 0].tolist()))  # type: ignore[union-attr]
        tables.close()
    buffer = bytearray(CLUSTER)

    def read() -> None:
        for name, offsets in places:
            descriptor = os.open(name, os.O_RDONLY)
            for at in offsets:
                os.preadv(descriptor, [buffer], at)
            os.close(descriptor)

    return read


def _images(place: Path) -> dict[str, Path]:
    clusters = TiB >> BITS
    for number, count in enumerate((70_000, 70_000, 60_000)):
        below = f"big{number - 1}" if number else None
        write_qcow2(place / f"big{number}", TiB, scattered(count, clusters, number), below)
    dense = np.arange(clusters * 6 // 10, dtype=np.int64)
    write_qcow2(place / "full0", TiB, dense, in_order=True, counted=True)
    write_qcow2(place / "full1", TiB, scattered(clusters // 100, clusters, 4), "full0")
    size = 256 * GiB
    for number in range(50):
        below = f"deep{number - 1}" if number else None
        write_qcow2(place / f"deep{number}", size, scattered(18_000, size >> BITS, 10 + number), below)
    many = 10 * TiB >> BITS
    write_qcow2(place / "frag0", 10 * TiB, scattered(many // 40, many, 7))
    write_qcow2(place / "frag1", 10 * TiB, scattered(many // 50, many, 8), "frag0")
    return {
        "1 TiB, 3 layers, 200,000 clusters": place / "big2",
        "1 TiB, 1 % over 60 % in one run": place / "full1",
        "256 GiB, 50 layers, 900,000 clusters": place / "deep49",
    }


def run() -> Iterator[Row]:
    """The measurements."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for what, path in _images(place).items():
            layers = LayerMap(diskchain.discover(path))

            def whole(layers: LayerMap = layers) -> None:
                for _ in layers:
                    pass

            ours = _cpu(whole)
            yield Row(f"map of {what}", ours, "every L2 table read once", _cpu(_floor(path)), 4.0)
            if "50" in what:
                yield Row("blame of one byte there", _cpu(lambda: layers.at(5 * GiB)), "50 ms", 0.05, 1.0)  # noqa: B023
            else:
                theirs = _cpu_of("qemu-img", "map", "--output=json", path)
                yield Row(f"map of {what}", ours, "qemu-img map", theirs, 0.1)
        yield _deep(place / "full0")
        peak = int(subprocess.check_output([sys.executable, "-c", _PEAK, place / "frag1"]))
        print(f"  totals of 10 TiB, 2 layers: at most {peak} MiB of memory  (reach: ≤ {_MOST_MEMORY} MiB)")


def _deep(path: Path) -> Row:
    layer = diskchain.discover(path).top
    ours = _cpu(lambda: deep_findings(layer))
    return Row("check --deep of 600 GiB in one run", ours, "qemu-img check", _cpu_of("qemu-img", "check", path), 1 / 3)
