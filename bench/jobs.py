"""Jobs beside qemu-img: the copying of commit, pull and copy, the proof, our own CPU time; and a plan for a deep chain.

Medians of five rounds in turns, each on fresh copies of the images. ``DISKCHAIN_BENCH_MIB`` says how many MiB of data the layers hold
(default: 1024). The page cache is warm, and what is written is flushed by both sides.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from images import write_qcow2
from rows import Row

import diskchain
from diskchain.actions.job_plans import PlannedJob

MIB = int(os.environ.get("DISKCHAIN_BENCH_MIB", "1024"))
ROUNDS = 5
DEPTH = 200
PLAN_GOAL = 50e-3  # seconds


def run() -> Iterator[Row]:
    """Rows for each verb, and for the plan."""
    with tempfile.TemporaryDirectory(prefix="diskchain-bench-") as directory:
        place = Path(directory)
        yield from _plan(place)
        _images(place)
        yield from _verbs(place)


def _plan(place: Path) -> Iterator[Row]:
    deep = place / "deep"
    deep.mkdir()
    _tool("qemu-img", "create", "-q", "-f", "qcow2", deep / "0.qcow2", "1G")
    for number in range(1, DEPTH):
        write_qcow2(deep / f"{number}.qcow2", 1 << 30, f"{number - 1}.qcow2", "qcow2")
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        planned = diskchain.plan_commit(deep / f"{DEPTH - 1}.qcow2", top=str(deep / f"{DEPTH - 2}.qcow2"))
        times.append(time.perf_counter() - began)
        assert planned.plan is not None
    yield Row(f"plan of a commit in {DEPTH} layers", median(times), "50 ms", PLAN_GOAL, 1)


def _images(place: Path) -> None:
    """Base <- mid <- top, the data in mid and half as much in top."""
    size = f"{4 * MIB}M"
    _tool("qemu-img", "create", "-q", "-f", "qcow2", place / "base.qcow2", size)
    _tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", place / "mid.qcow2")
    _tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", "mid.qcow2", "-F", "qcow2", place / "top.qcow2")
    _fill(place / "mid.qcow2", 0, MIB)
    _fill(place / "top.qcow2", MIB // 2, MIB // 2)


def _fill(path: Path, first: int, length: int) -> None:
    """Data that no one could take for zeroes, from a MiB on."""
    step = 64
    words = [
        f"write -P {1 + at % 250} {at}M {min(step, first + length - at)}M" for at in range(first, first + length, step)
    ]
    _tool("qemu-io", "-f", "qcow2", *(word for each in words for word in ("-c", each)), path)


def _tool(*words: str | Path) -> None:
    subprocess.run([*map(str, words)], check=True, stdout=subprocess.DEVNULL)


def _verbs(place: Path) -> Iterator[Row]:
    cases: dict[str, tuple[Callable[[Path], PlannedJob], Callable[[Path], None], str, float]] = {
        "commit": (
            lambda at: diskchain.plan_commit(at / "top.qcow2", top=str(at / "mid.qcow2")),
            lambda at: _tool("qemu-img", "commit", "-q", "-d", at / "mid.qcow2"),
            "qemu-img commit -d",
            1.0,
        ),
        "pull": (
            lambda at: diskchain.plan_pull(at / "top.qcow2", base=str(at / "base.qcow2")),
            lambda at: _tool("qemu-img", "rebase", "-F", "qcow2", "-b", at / "base.qcow2", at / "top.qcow2"),
            "qemu-img rebase",
            1.25,
        ),
        "copy": (
            lambda at: diskchain.plan_copy(at / "top.qcow2", at / "new.qcow2"),
            lambda at: _tool("qemu-img", "convert", "-O", "qcow2", at / "top.qcow2", at / "new.qcow2"),
            "qemu-img convert",
            1.0,
        ),
    }
    convert: list[float] = []
    for name, (plan, peer, against, goal) in cases.items():
        copying, proving, cpu, theirs = [], [], [], []
        for _ in range(ROUNDS):
            at = _fresh(place)
            times = _timed(plan(at), at)
            copying.append(times[0])
            proving.append(times[1])
            cpu.append(times[2])
            at = _fresh(place)
            began = time.perf_counter()
            peer(at)
            os.sync()
            theirs.append(time.perf_counter() - began)
        yield Row(f"{name} of {MIB} MiB, copied and flushed", median(copying), against, median(theirs), goal)
        yield Row(f"{name}: our own CPU", median(cpu), "1 % of the time", 0.01 * (median(copying) + median(proving)), 1)
        convert = theirs if name == "copy" else convert
        if name == "copy":
            yield Row("the proof of the same data", median(proving), against, median(convert), 1)


def _fresh(place: Path) -> Path:
    at = place / "round"
    shutil.rmtree(at, ignore_errors=True)
    at.mkdir()
    for name in ("base", "mid", "top"):
        _tool("cp", "--sparse=always", "--reflink=auto", place / f"{name}.qcow2", at / f"{name}.qcow2")
    os.sync()
    return at


def _timed(planned: PlannedJob, at: Path) -> tuple[float, float, float]:
    """Seconds of copying, of the proof, and of our own CPU."""
    before, reached = time.process_time(), dict[str, float]()
    with diskchain.run(planned, state=at / "state") as job:
        for event in job:
            if event.kind == "state":
                reached[event.state] = time.perf_counter()
    cpu = time.process_time() - before
    return reached["data-durable"] - reached["copying"], reached["proven"] - reached["data-durable"], cpu
