"""Sequences of verbs on drawn trees, some cut off by SIGKILL and resumed or taken back, against a model of bytes in memory.

The model is what each leaf reads as. No verb changes that, whatever it does to the files below: what is refused changes nothing, what is done
is done whole.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.commands import diskchain
from tests.jobs.trees import left_behind
from tests.live.storage import QemuImg

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(900)]
CLUSTER = 65536
#: A sequence takes seconds.
EXAMPLES = 40 if os.environ.get("DISKCHAIN_FULL") else 4


@dataclass
class Model:
    """``layers`` from the base up: format, clusters in all, and what was written: (pattern, first cluster, clusters)."""

    layers: list[tuple[str, int, list[tuple[int, int, int]]]]
    clone_of: int
    names: list[str] = field(default_factory=list)


writes = st.lists(st.tuples(st.integers(1, 250), st.integers(0, 30), st.integers(1, 6)), max_size=4)
layers = st.tuples(st.sampled_from(["qcow2", "qcow2", "raw"]), st.sampled_from([24, 32, 40]), writes)
models = st.builds(Model, st.lists(layers, min_size=2, max_size=6), st.integers(0, 5))
steps = st.lists(
    st.tuples(
        st.sampled_from(["commit", "commit", "pull", "snapshot", "rebase", "copy"]),
        st.integers(0, 5),
        st.integers(0, 5),
        st.booleans(),
        st.none() | st.integers(2, 30),
    ),
    min_size=1,
    max_size=4,
)


def build(qemu_img: QemuImg, place: Path, model: Model) -> None:
    """The files of a model: a chain, only the lowest of which may be raw, and a clone of one of its layers."""
    below: tuple[str, str] | None = None
    for number, (wanted, clusters, areas) in enumerate(model.layers):
        form, name = (
            wanted if number == 0 else "qcow2",
            f"{number}.{'raw' if number == 0 and wanted == 'raw' else 'qcow2'}",
        )
        backing = () if below is None else ("-b", below[0], "-F", below[1])
        qemu_img("create", "-q", "-f", form, *backing, place / name, str(clusters * CLUSTER))
        write(place / name, form, clusters, areas)
        model.names.append(name)
        below = (name, form)
    over = model.clone_of % len(model.names)
    form = "raw" if model.names[over].endswith(".raw") else "qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", model.names[over], "-F", form, place / "clone.qcow2")


def write(path: Path, form: str, clusters: int, areas: list[tuple[int, int, int]]) -> None:
    words = []
    for pattern, first, count in areas:
        length = min(first + count, clusters) - first
        if length > 0:
            words += ["-c", f"write -q -P {pattern} {first * CLUSTER} {length * CLUSTER}"]
    if words:
        subprocess.run(["qemu-io", "-f", form, *words, path], check=True, capture_output=True)


def read(place: Path, name: str) -> bytes:
    """What a guest reads of an image, by the headers."""
    raw = place.parent / "read.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", place / name, raw], check=True)
    return raw.read_bytes()


def chain(place: Path, top: str) -> list[str]:
    """Names of the layers of an image, by QEMU."""
    words = ["qemu-img", "info", "--output=json", "--backing-chain", str(place / top)]
    info = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    return [Path(each["filename"]).name for each in info]


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(model=models, sequence=steps)
def test_no_sequence_of_verbs_changes_what_a_leaf_reads_as(
    qemu_img: QemuImg, model: Model, sequence: list[tuple[str, int, int, bool, int | None]]
) -> None:
    model = Model(model.layers, model.clone_of)
    with tempfile.TemporaryDirectory(prefix="diskchain-sequence-") as directory:
        place = Path(directory) / "images"
        place.mkdir()
        build(qemu_img, place, model)
        disk = model.names[-1]
        truth, other = read(place, disk), read(place, "clone.qcow2")
        for number, step in enumerate(sequence):
            disk = carried_out(place, disk, number, step)
            assert read(place, disk) == truth, step
            assert read(place, "clone.qcow2") == other, step
        assert left_behind(place) == []


def carried_out(place: Path, disk: str, number: int, step: tuple[str, int, int, bool, int | None]) -> str:
    """Do one step; returns the image that is the disk then."""
    verb, one, two, delete, killed = step
    names, state = chain(place, disk), str(place / "state")
    top, base = sorted((one % len(names), two % len(names)))
    words: list[str] = []
    if verb == "commit" and top != base:
        words = ["commit", str(place / disk), "--top", str(place / names[top]), "--base", str(place / names[base])]
        words += ["--delete"] if delete and top > 0 else []
    elif verb == "pull":
        words = ["pull", str(place / disk), *(["--base", str(place / names[base])] if base > 0 else [])]
    elif verb == "snapshot":
        words = ["snapshot", str(place / disk), str(place / f"new{number}.qcow2")]
    elif verb == "copy":
        words = ["copy", str(place / disk), str(place / f"copy{number}.qcow2")]
    elif verb == "rebase":
        words = ["rebase", str(place / disk), "--onto", str(place / "clone.qcow2")]
    if not words:
        return disk
    command = [sys.executable, "-m", "tests.jobs.killed", "before", str(killed or 10_000), *words, "--state", state]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 2, -9), done.stderr
    if done.returncode == -9:
        assert diskchain("resume", "--state", state, seconds=120).code == 0
    if done.returncode == 2 or not (place / "state" / "jobs.db").exists():
        return disk
    return where_the_disk_is(place, disk, words)


def where_the_disk_is(place: Path, disk: str, words: list[str]) -> str:
    """The image that is the disk after a job, if the job was begun."""
    last = json.loads(diskchain("jobs", "--all", "--json", "--state", str(place / "state")).out)["jobs"]
    if not last or last[-1]["state"] != "cleaned" or last[-1]["verb"] != words[0]:
        return disk
    if words[0] == "snapshot":
        return Path(words[2]).name if Path(words[2]).exists() else disk
    if words[0] == "commit" and words[3] == str(place / disk) and last[-1]["target"] == str(place / disk):
        return Path(words[5]).name
    return disk
